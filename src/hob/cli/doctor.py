"""`hob doctor`: what a model server gets wrong, what that breaks, how to mend it."""

import sys
from argparse import Namespace
from pathlib import Path

import msgspec
from msgspec.structs import replace

from hob.core.errors import CommandRefused
from hob.models import profiles
from hob.models.discovery import Found
from hob.models.doctor.examine import Examination, examine
from hob.models.doctor.families import sound_template
from hob.models.profile import Finding

HEALTHY, FAULTY = 0, 10
_LINE = "\x1b[2K\r"


async def doctor_command(options: Namespace, found: Found, folder: Path, now_ms: int) -> int:
    """Examine a model, print what was found, keep the profile in `folder`, and return the exit code.

    Raises `ModelError` if the server cannot be reached, `CommandRefused` if there is none.
    """
    if found.kind == "offline":
        raise CommandRefused(f"There is no model server to examine. {found.why}")
    show = not options.json and sys.stderr.isatty()

    def told(what: str) -> None:
        if show:
            print(f"{_LINE}  asking: {what}", end="", file=sys.stderr, flush=True)

    result = await examine(found.base_url, found.model, found.api_key, options.timeout, told)
    if show:
        print(_LINE, end="", file=sys.stderr)
    result = replace(result, profile=replace(result.profile, checked_at=now_ms))
    kept = None if options.no_save else profiles.save(folder, result.profile)
    written = _written(options.write_template, result)
    if options.json:
        print(_as_json(result, kept, written))
    else:
        print(_as_text(result, kept, written))
    return FAULTY if result.broken else HEALTHY


def _written(asked: str | None, result: Examination) -> Path | None:
    if not asked:
        return None
    path = Path(asked)
    path.write_text(sound_template(result.family), encoding="utf-8")
    return path


def _as_text(result: Examination, kept: Path | None, written: Path | None) -> str:
    profile = result.profile
    window = f"{profile.window_tokens} tokens" if profile.window_tokens else "not known"
    slots = f", {profile.slots} slots" if profile.slots and profile.slots > 1 else ""
    lines = [
        f"{profile.model} at {profile.base_url} ({profile.kind} {profile.version}".rstrip() + ")",
        "",
        *(line for found in profile.findings for line in _finding(found)),
    ]
    if not result.broken:
        lines.append("✓ Nothing is wrong between Hob and this server.")
    if result.called:
        lines.append("✓ A real tool call came back as a call, and its result was taken.")
    lines += [
        "",
        f"Window: {window}{slots}. Tools: {profile.tool_format}."
        f" Calls in one answer: {'several' if profile.parallel_calls else 'one'}."
        f" Past thoughts: {'sent back' if profile.keep_reasoning else 'left out'}.",
        f"{result.requests} small requests and {result.looks} look-ups in {result.seconds:.1f} s.",
    ]
    if result.template and written is None:
        lines.append("A sound chat template: hob doctor --write-template FILE")
    if written is not None:
        lines.append(f"Chat template: {written}")
    if kept is not None:
        lines.append(f"Profile: {kept}")
    return "\n".join(lines)


def _finding(found: Finding) -> list[str]:
    mark = "·" if found.severity == "note" else "✗"
    lines = [f"{mark} {found.probe}: {found.seen}"]
    lines += [f"    breaks: {found.breaks}"] if found.breaks else []
    return [*lines, f"    mend:   {found.mend}"]


def _as_json(result: Examination, kept: Path | None, written: Path | None) -> str:
    document = {
        "healthy": not result.broken,
        "requests": result.requests,
        "look_ups": result.looks,
        "seconds": round(result.seconds, 3),
        "tool_call_came_back": result.called,
        "prompts_were_rendered": result.rendered,
        "profile": result.profile,
        "profile_file": str(kept) if kept else None,
        "template_file": str(written) if written else None,
        "template_would_help": bool(result.template),
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
