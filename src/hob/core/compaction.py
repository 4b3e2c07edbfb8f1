"""The older part of a context becomes one message: in one batch, seldom, and with nothing lost for ever.

    before   head │ goal … … … … … … … … … … … step step step
    after    head │ goal + summary + record  │ step step step

The goal keeps its place and its bytes, so head and goal are still in the server's cache; the last steps
stay as they were. Only summary, record and the kept steps are computed once more.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from msgspec import Struct
from msgspec.structs import replace

from hob.core.agent import ContextPolicy
from hob.core.diffs import counts, is_diff
from hob.core.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage
from hob.core.tokens import Ratio, estimate_message, estimate_tokens
from hob.core.transcript import appended

DEFAULT_MAX_TOKENS = 4000
MAX_LISTED = 30  # older calls that the record names
MAX_FILES = 60
LIST_PART = 10  # the record of older calls may take this part of the room
MAX_ASKED = 5
MAX_ASKED_CHARS = 1200
MAX_FAILURE_CHARS = 1500
MAX_SUMMARY_CHARS = 8000
STUB_CHARS = 160

ASK = (
    "Host: the context is nearly full. Everything above except the task and the last few results will be"
    " replaced by what you write now; files and the record of all results stay. Do not call a tool. Write at"
    " most 400 words: the goal and its constraints; what was decided and why; what was changed, with file"
    " and function names; facts and commands that were found to work; what failed last and the problems"
    " still open; the next step."
)
_MARK = (
    "\n\n[Summary by the host of what came before; the whole of it is kept outside the context]\n"
)


class Record(Struct, frozen=True):
    """What the host itself knows and a summary may forget.

    `asked` is what the person said, the goal first; `blobs` names for calls (by id) where their
    results can be read again.
    """

    asked: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    failure: str = ""
    blobs: Mapping[str, str] = {}


class Kept(Struct, frozen=True):
    """A compacted context, and which results (call ids) it no longer shows in full."""

    messages: tuple[Message, ...]
    shortened: tuple[str, ...]


def compact_context(
    messages: Sequence[Message],
    summary: str,
    record: Record,
    max_tokens: int = DEFAULT_MAX_TOKENS,
    policy: ContextPolicy | None = None,
    ratio: Ratio | None = None,
) -> Kept:
    """Return a context of about `max_tokens` at most; one that fits already is returned as it is."""
    policy, ratio = policy or ContextPolicy(), ratio or Ratio()
    whole = tuple(messages)
    if ratio.of(sum(map(estimate_message, whole))) <= max_tokens or len(whole) < 2:
        return Kept(whole, ())
    groups = _groups(whole)
    list_room = max_tokens // LIST_PART
    first = _first(whole, summary, record)
    room = max_tokens - list_room - ratio.of(estimate_message(first))
    tail = _tail(groups, policy.retain_tool_results, room, ratio)
    old = [message for group in groups[: len(groups) - len(tail)] for message in group]
    kept, stubbed = _fit(tail, room, record, ratio)
    gone = [one.call_id for one in old if isinstance(one, ToolMessage)]
    listed = _listed(old, record.blobs, compress_diffs=policy.compress_diffs)
    if lines := _newest(listed, list_room, ratio):
        listing = "Earlier calls, their results put aside:\n" + "\n".join(lines)
        first = UserMessage(f"{first.text}\n\n{listing}")
    if policy.externalize_reasoning:
        kept = [
            replace(one, reasoning="") if isinstance(one, AssistantMessage) else one for one in kept
        ]
    return Kept(appended((first,), *kept), (*gone, *stubbed))


def request_for_summary(messages: tuple[Message, ...], focus: str = "") -> tuple[Message, ...]:
    """Return the running prompt with the wish for a summary at its tail: the server has it all in its cache.

    It rides on the newest result, which no server has seen yet, or is a message of the person's after
    the model's last words. New words of the person are left for after the compaction.
    """
    wish = f"{ASK} Above all, keep: {focus}" if focus else ASK
    while messages and isinstance(messages[-1], UserMessage) and len(messages) > 1:
        messages = messages[:-1]
    last = messages[-1] if messages else None
    if isinstance(last, ToolMessage):
        return (*messages[:-1], replace(last, content=f"{last.content}\n\n[{wish}]"))
    return appended(messages, UserMessage(wish))


def is_compacted(text: str) -> bool:
    """Tell whether words of the person's side carry the summary of a compaction."""
    return _MARK in text


def _groups(messages: tuple[Message, ...]) -> list[list[Message]]:
    """Return the messages after the first as steps: a model's message with the results of its calls, or words."""
    groups: list[list[Message]] = []
    for message in messages[1:] if isinstance(messages[0], UserMessage) else messages:
        if isinstance(message, ToolMessage) and groups:
            groups[-1].append(message)
        else:
            groups.append([message])
    return groups


def _tail(groups: list[list[Message]], retain: int, room: int, ratio: Ratio) -> list[list[Message]]:
    """Return the last steps: as many as the retained results take and the room holds, at least one."""
    tail: list[list[Message]] = []
    results = used = 0
    for group in reversed(groups):
        results += sum(isinstance(message, ToolMessage) for message in group)
        used += ratio.of(sum(map(estimate_message, group)))
        if tail and (results > retain or used > room):
            break
        tail.insert(0, group)
    while len(tail) > 1 and isinstance(tail[0][0], AssistantMessage) and not tail[0][0].calls:
        tail.pop(0)  # words without calls say nothing that the summary does not
    return tail


def _fit(
    tail: list[list[Message]], room: int, record: Record, ratio: Ratio
) -> tuple[list[Message], list[str]]:
    """Return the kept messages; where even they are too long, the longest results become stubs."""
    kept = [message for group in tail for message in group]
    stubbed: list[str] = []
    used = ratio.of(sum(map(estimate_message, kept)))
    sizes = sorted(
        ((estimate_message(m), n) for n, m in enumerate(kept) if isinstance(m, ToolMessage)),
        reverse=True,
    )
    for size, place in sizes:
        message = kept[place]
        if used <= room or not isinstance(message, ToolMessage):
            break
        stub = replace(message, content=_stub(message, record.blobs))
        if (saved := size - estimate_message(stub)) <= 0:
            continue
        kept[place] = stub
        stubbed.append(message.call_id)
        used -= ratio.of(saved)
    return kept, stubbed


def _stub(message: ToolMessage, blobs: Mapping[str, str]) -> str:
    where = blobs.get(message.call_id, "")
    rest = f"; read_output({where!r}) shows it" if where else ""
    return f"[{len(message.content)} characters put aside{rest}] {gist(message)}"


def _first(messages: Sequence[Message], summary: str, record: Record) -> UserMessage:
    """Return the first message: the goal as it was, then everything that has to survive."""
    goal = record.asked[0] if record.asked else _goal(messages)
    parts = [summary.strip()[:MAX_SUMMARY_CHARS]] if summary.strip() else []
    if later := [text[:MAX_ASKED_CHARS] for text in record.asked[1:]][-MAX_ASKED:]:
        parts.append("The person said later:\n" + "\n".join(f"- {text}" for text in later))
    if record.changed:
        shown = record.changed[-MAX_FILES:]
        more = len(record.changed) - len(shown)
        parts.append(
            f"Files changed so far: {', '.join(shown)}{f' and {more} more' if more else ''}"
        )
    if record.failure:
        parts.append(f"The last failed command:\n{_ends(record.failure, MAX_FAILURE_CHARS)}")
    return UserMessage(f"{goal}{_MARK}" + "\n\n".join(parts))


def _goal(messages: Sequence[Message]) -> str:
    first = next((one.text for one in messages if isinstance(one, UserMessage)), "")
    return first.partition(_MARK)[0]


def _listed(old: Sequence[Message], blobs: Mapping[str, str], *, compress_diffs: bool) -> list[str]:
    """Return one line for each of the newest older calls: what it was, what came of it, where to read it."""
    calls = {
        call.call_id: call for one in old if isinstance(one, AssistantMessage) for call in one.calls
    }
    results = [one for one in old if isinstance(one, ToolMessage)]
    lines: list[str] = []
    for one in results[-MAX_LISTED:]:
        call = calls.get(one.call_id, ToolCall(one.call_id, one.name, "{}"))
        where = blobs.get(one.call_id, "")
        told = gist(one) if compress_diffs else " ".join(one.content.split())[:STUB_CHARS]
        about = _about(call)
        lines.append(
            f"- {call.name}{about and f' {about}'}: {told}"
            + (f" [read_output({where!r})]" if where else "")
        )
    return lines


def _newest(lines: list[str], room: int, ratio: Ratio) -> list[str]:
    """Return the last lines that the room holds, in tokens."""
    kept: list[str] = []
    for line in reversed(lines):
        room -= ratio.of(estimate_tokens(line) + 1)
        if room < 0:
            break
        kept.insert(0, line)
    return kept


def gist(message: ToolMessage) -> str:
    """Return a result in a few words: a diff as its counts, anything else as its first line."""
    text = message.content
    failed = "failed: " if message.is_error else ""
    if is_diff(text):
        plus, minus = counts(text)
        return f"{failed}diff, +{plus} -{minus} lines"
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return failed + (line if len(line) <= STUB_CHARS else line[: STUB_CHARS - 1] + "…")


def _about(call: ToolCall) -> str:
    """Return the argument that says most: a path or a command, else the first text."""
    try:
        value: Any = json.loads(call.arguments)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(value, dict):
        return ""
    fields = cast("dict[str, Any]", value)
    names = ("command", "path", "pattern", *fields)
    told = next((fields[n] for n in names if isinstance(fields.get(n), str) and fields[n]), "")
    told = " ".join(told.split())
    return told if len(told) <= 80 else told[:79] + "…"


def _ends(text: str, cap: int) -> str:
    half = cap // 2
    return text if len(text) <= cap else f"{text[:half]}\n[…]\n{text[-half:]}"


def summary_tokens(window_tokens: int | None) -> int:
    """Return how long a summary may be: a tenth of the window, 300 to 1,500 tokens."""
    return 1000 if window_tokens is None else min(1500, max(300, window_tokens // 10))
