"""Tools by name: look up, check arguments against the schema, run, bound the result."""

import asyncio
import json
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, cast

from msgspec.structs import replace

from hob.core.agent import ToolSpec
from hob.core.checkpoints import CallChanges, Checkpoints
from hob.core.diffs import is_diff, summary
from hob.core.messages import Details, ToolCall, ToolResult
from hob.core.permission import Action
from hob.core.ports import Blobs, Report, Tool
from hob.core.schema import fit
from hob.core.tokens import estimate_tokens

MAX_CONTENT = 16_384  # characters of a result that enter the context
MAX_TOKENS = (
    6_000  # of a result, as many as its characters may be of text that costs more than code
)
WINDOW_PART = 16  # a result takes at most this part of a known window: five and more have to fit
MIN_TOKENS = 512
MAX_DETAIL = 16_384  # characters of stdout or stderr that enter the log; the whole goes to a blob

READER = "read_output"  # the tool that shows what was cut, where there is one
MAX_CHANGES = 100  # paths that a result names

_DIGITS = 12


class Toolbox:
    """The tools of one session."""

    def __init__(
        self,
        tools: Iterable[Tool],
        blobs: Blobs,
        checkpoints: Checkpoints | None = None,
        max_tokens: int = MAX_TOKENS,
    ) -> None:
        self._max_tokens = max_tokens
        self._tools = {tool.spec.name: tool for tool in tools}
        self._schemas: dict[str, dict[str, Any]] = {}
        self._blobs = blobs
        self._checkpoints = checkpoints

    def spec(self, name: str) -> ToolSpec:
        """Return what a tool of this process says of itself; an unknown one may do anything, once."""
        tool = self._tools.get(name)
        return tool.spec if tool else ToolSpec(name, "", "{}")

    def check(self, call: ToolCall) -> Action | ToolResult:
        """Return what would be done, or the error that the model gets instead."""
        tool = self._tools.get(call.name)
        if tool is None:
            near = get_close_matches(call.name, self._tools, n=1, cutoff=0.5)
            hint = (
                f" Did you mean {near[0]!r}?"
                if near
                else f" There are: {', '.join(sorted(self._tools))}."
            )
            return _error(f"Unknown tool: {call.name}.{hint}")
        arguments = _parse(call)
        if isinstance(arguments, ToolResult):
            return arguments
        fitted, problem = fit(self._schema(tool), arguments)
        if problem:
            return _error(f"{call.name}: {problem}")
        return Action(call.call_id, call.name, tool.spec.access, fitted)

    async def run(self, call: ToolCall, report: Report) -> ToolResult:
        """Run one call and return its bounded result. Raises nothing but cancellation."""
        action = self.check(call)
        if isinstance(action, ToolResult):
            return action
        if self._checkpoints is None or action.access in ("none", "read"):
            return self._bound(await self._use(action, report))
        await self._checkpoints.before(call.call_id, action.access)
        try:
            result = await self._use(action, report)
        except asyncio.CancelledError:
            await self._checkpoints.after(call.call_id)  # what it had done until then can be undone
            raise
        return self._bound(_with_changes(result, await self._checkpoints.after(call.call_id)))

    async def _use(self, action: Action, report: Report) -> ToolResult:
        try:
            return await self._tools[action.tool].run(action.arguments, report)
        except Exception as error:  # a tool's bug is the tool's result, not the session's end
            return _error(f"{action.tool} failed: {type(error).__name__}: {error}")

    def put_aside(self, text: str) -> str:
        """Keep a text that leaves the context; return the name that `read_output` knows it by, "" without one."""
        if READER not in self._tools:
            return ""
        try:
            return self._blobs.put(text.encode("utf-8", "replace"))[:_DIGITS]
        except OSError:
            return ""

    def _keep(self, text: str, cap: int) -> tuple[str, str]:
        """Keep the whole of a long text and cut it; a store that is full must not cost the result."""
        try:
            kept = self._blobs.put(text.encode("utf-8", "replace"))
        except OSError as error:
            return f"not kept: {error}", _cut(text, cap)
        rest = f"; read_output({kept[:_DIGITS]!r}) shows the rest"
        told = _diff_summary(text, cap)
        return kept, told + _cut(text, cap - len(told), rest if READER in self._tools else "")

    def _cap(self, name: str, text: str) -> int:
        """Return the characters that may stay of a text: fewer where they cost the model more."""
        if name != "content" or len(text) <= self._max_tokens:
            return MAX_CONTENT
        tokens = estimate_tokens(text[:MAX_CONTENT])
        seen = min(len(text), MAX_CONTENT)
        return seen if tokens <= self._max_tokens else seen * self._max_tokens // tokens

    def _schema(self, tool: Tool) -> dict[str, Any]:
        name = tool.spec.name
        if name not in self._schemas:
            self._schemas[name] = json.loads(tool.spec.parameters)
        return self._schemas[name]

    def _bound(self, result: ToolResult) -> ToolResult:
        details = result.details
        whole = {"content": result.content, "stdout": details.stdout, "stderr": details.stderr}
        caps = {name: self._cap(name, text) for name, text in whole.items()}
        long = {name: text for name, text in whole.items() if len(text) > caps[name]}
        if not long:
            return result
        kept = {name: self._keep(text, caps[name]) for name, text in long.items()}
        cut = {name: kept[name][1] if name in long else text for name, text in whole.items()}
        return replace(
            result,
            content=cut["content"],
            details=Details(
                cut["stdout"],
                cut["stderr"],
                details.exit_code,
                {**details.metadata, "blobs": {name: one[0] for name, one in kept.items()}},
            ),
        )


def content_cap(window_tokens: int | None) -> int:
    """Return the tokens that one result may take of a window."""
    if window_tokens is None:
        return MAX_TOKENS
    return min(MAX_TOKENS, max(MIN_TOKENS, window_tokens // WINDOW_PART))


def _with_changes(result: ToolResult, found: CallChanges) -> ToolResult:
    """Add what changed for people and programs: at most 100 paths, and their number."""
    if not found.changes and not found.notes:
        return result
    metadata: dict[str, Any] = {**result.details.metadata}
    if found.changes:
        metadata["changes"] = [
            {
                "path": one.path,
                "before": one.before.digest,
                "after": one.after.digest,
                "kinds": [one.before.kind, one.after.kind],
                "added": one.added,
                "removed": one.removed,
            }
            for one in found.changes[:MAX_CHANGES]
        ]
        metadata["changed_paths"] = len(found.changes)
    if found.notes:
        metadata["not_covered"] = list(found.notes[:MAX_CHANGES])
    return replace(result, details=replace(result.details, metadata=metadata))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that stands twice: what a person is shown must be what is run."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a parameter stands in it twice")
    return found


def _parse(call: ToolCall) -> dict[str, Any] | ToolResult:
    """Return the argument object. Text that holds a JSON string of an object (encoded twice) is opened once more."""
    text = call.arguments.strip() or "{}"
    try:
        value: Any = json.loads(text, object_pairs_hook=_once)
        if isinstance(value, str):
            value = json.loads(value, object_pairs_hook=_once)
    except RecursionError:
        return _error(f"{call.name}: the arguments are nested too deeply. Send one JSON object.")
    except ValueError as error:
        return _error(
            f"{call.name}: the arguments are not valid JSON ({error}). Send one JSON object."
        )
    if not isinstance(value, dict):
        return _error(
            f"{call.name}: the arguments are {type(value).__name__}, not a JSON object. Send one JSON object."
        )
    return cast("dict[str, Any]", value)


def _cut(text: str, cap: int, rest: str = "") -> str:
    half = cap // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters cut here{rest} …]\n{text[-half:]}"


def _diff_summary(text: str, cap: int) -> str:
    """Return what a diff that is too long changes, file by file, to stand before what is left of it."""
    told = summary(text) if is_diff(text) else ""
    return f"{told}\n\n" if told and len(told) < cap // 2 else ""


def _error(text: str) -> ToolResult:
    return ToolResult(text, is_error=True, details=Details(metadata={"error": text}))
