"""`hob models`: the servers that are there, what they offer, and how large their windows really are."""

import asyncio
from pathlib import Path

import msgspec

from hob.cli.terminal import harmless, one_line
from hob.core.errors import ModelError
from hob.models import profiles
from hob.models.address import normalise, server_name
from hob.models.discovery import USUAL_PORTS, Wishes, is_chat, look_around
from hob.models.examine import examine
from hob.models.facts import ModelFacts, ServerFacts
from hob.models.window import too_small

NOBODY = 69
NAMES = {
    "llamacpp": "llama.cpp",
    "ollama": "Ollama",
    "lmstudio": "LM Studio",
    "vllm": "vLLM",
    "openai": "server",
}


async def models_command(wishes: Wishes, folder: Path, head_tokens: int, *, as_json: bool) -> int:
    """Print what every server offers that is named or found here; `folder` holds the doctor's profiles."""
    named = [
        (url, key)
        for url, key in (
            (wishes.base_url or wishes.hob_base_url, wishes.api_key or wishes.hob_api_key),
            (wishes.openai_base_url, wishes.openai_api_key),
        )
        if url
    ]
    found = [(normalise(url), key) for url, key in named]
    known = {url for url, _ in found}
    around = await look_around(USUAL_PORTS, wishes.ollama_host)
    found += [(url, "") for url in around if url not in known]
    answers = await asyncio.gather(*(_ask(url, key) for url, key in found))
    servers = [one for one in answers if isinstance(one, ServerFacts)]
    failed = [str(one) for one in answers if isinstance(one, ModelError)]
    if as_json:
        document = {"servers": msgspec.to_builtins(servers), "failed": failed}
        print(msgspec.json.encode(document).decode())
    else:
        print("\n\n".join([_server(one, folder, head_tokens) for one in servers] + failed))
        if not answers:
            ports = ", ".join(map(str, USUAL_PORTS))
            print(
                f"No model server listens on this machine (ports {ports}); name one with --base-url."
            )
    return 0 if servers else NOBODY


async def _ask(base_url: str, api_key: str) -> ServerFacts | ModelError:
    try:
        return await examine(base_url, api_key)
    except ModelError as error:
        return error


def _server(facts: ServerFacts, folder: Path, head_tokens: int) -> str:
    about = [facts.version] if facts.version else []
    if facts.slots:
        about.append(f"{facts.slots} slot{'s' if facts.slots > 1 else ''}")
    title = f"{NAMES.get(facts.kind, facts.kind)} at {server_name(facts.base_url)}"
    lines = [harmless(" · ".join([title, *about]))]
    lines += _table(facts, folder)
    notes = list(facts.notes)
    for one in facts.models:
        # Ollama gives the window that Hob asks for; elsewhere it is what it is.
        if one.loaded is not False and is_chat(one) and facts.kind != "ollama":
            notes.append(too_small(facts.kind, one.name, one.window_tokens, head_tokens))
    lines += [f"  {harmless(note)}" for note in dict.fromkeys(filter(None, notes))]
    if not facts.models:
        lines.append("  It offers no model.")
    return "\n".join(lines)


def _table(facts: ServerFacts, folder: Path) -> list[str]:
    rows = [("model", "loaded", "window", "trained", "tools", "vision", "size", "doctor")]
    rows += [_row(one, facts, folder) for one in facts.models]
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    used = [n for n in range(len(widths)) if n == 0 or any(row[n] != "?" for row in rows[1:])]
    return ["  " + "  ".join(row[n].ljust(widths[n]) for n in used).rstrip() for row in rows]


def _row(one: ModelFacts, facts: ServerFacts, folder: Path) -> tuple[str, ...]:
    window = "?" if not one.window_tokens else f"{one.window_tokens:,}"
    if one.window_tokens and one.window_from:
        window += f" ({one.window_from})"
    return (
        one_line(one.name, 44),
        _said(one.loaded),
        window,
        "?" if not one.max_window_tokens else f"{one.max_window_tokens:,}",
        _said(one.tools),
        _said(one.vision),
        _size(one.size_bytes),
        _doctor(facts, one.name, folder),
    )


def _doctor(facts: ServerFacts, model: str, folder: Path) -> str:
    kept = profiles.load(folder, facts.base_url, model, facts.version)
    if not kept.profile.checked_at:
        return "not asked"
    faults = sum(finding.severity != "note" for finding in kept.profile.findings)
    told = "healthy" if not faults else f"{faults} finding{'s' if faults > 1 else ''}"
    return f"{told}, of another version" if kept.stale else told


def _size(size_bytes: int | None) -> str:
    if not size_bytes:
        return "?"
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"


def _said(value: bool | None) -> str:
    return "?" if value is None else "yes" if value else "no"
