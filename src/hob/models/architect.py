"""Two models, one answer: a planner says in prose what has to change, an editor writes the edits.

The planner reads and runs commands by calls of its own, which pass through. Both prompts are folded from the
same log and only grow at their tail: in the log the editor's words stand behind the planner's, with a line between.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from msgspec.structs import replace

from hob.core.deltas import Delta, Notice, TextDelta
from hob.core.errors import ModelError
from hob.core.messages import (
    AssistantMessage,
    Message,
    Reply,
    Timings,
    ToolCall,
    Usage,
    UserMessage,
)
from hob.core.ports import Model
from hob.core.request import Request
from hob.editing.fences import fences, without_thoughts
from hob.models.prose_calls import apply_edits_call
from hob.models.protocol_text import EDIT_NOW, EDIT_TOOLS, EDITOR, FORMAT_TEXTS, PLANNER
from hob.models.transcript import Transcripts, as_fence

HANDOVER = "\n\n[edits by the editor]\n\n"


class Architect:
    """A planner and an editor behind one `Model` port."""

    def __init__(self, planner: Model, editor: Model, edit_format: str = "diff") -> None:
        self._planner = planner
        self._editor = editor
        self._edit_format = edit_format
        self._transcripts = Transcripts(_for_editor)

    @property
    def name(self) -> str:
        """Return both models' names for people."""
        return f"{self._planner.name} + {self._editor.name}"

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """Yield deltas as they come and end with one `Reply`; see `Model.stream`. Raises `ModelError`."""
        plan: Reply | None = None
        async with aclosing(self._planner.stream(_for_planner(request))) as stream:
            async for part in stream:
                if isinstance(part, Reply):
                    plan = part
                else:
                    yield part
        if plan is None:
            raise ModelError("cut", f"The answer of {self._planner.name!r} stopped in the middle.")
        if plan.message.calls or plan.message.stop == "length" or not _is_plan(plan.message.text):
            yield plan
            return
        yield Notice(
            f"The plan of {self._planner.name!r} goes to the editor {self._editor.name!r}."
        )
        yield TextDelta(HANDOVER)
        asked = self._editor_request(request, plan)
        async with aclosing(self._editor.stream(asked)) as stream:
            async for part in stream:
                yield self._joined(plan, part) if isinstance(part, Reply) else part

    async def aclose(self) -> None:
        """Let connections go."""
        await self._planner.aclose()
        await self._editor.aclose()

    def _editor_request(self, request: Request, plan: Reply) -> Request:
        session_id = f"{request.session_id}/editor"
        messages = self._transcripts.of(session_id, request.messages)
        spent = plan.usage.completion_tokens or 0
        return Request(
            session_id,
            f"{request.instructions}\n{EDITOR}\n{FORMAT_TEXTS[self._edit_format]}".strip(),
            (),
            (*messages, AssistantMessage(plan.message.text), UserMessage(EDIT_NOW)),
            None if request.max_tokens is None else max(1, request.max_tokens - spent),
            request.deadline_s,
        )

    def _joined(self, plan: Reply, edits: Reply) -> Reply:
        """Return both answers as one, with the call that makes the edits."""
        cut = edits.message.stop == "length"
        calls: tuple[ToolCall, ...] = ()
        if not cut:
            calls = (apply_edits_call(edits.message.text, self._edit_format),)
        message = AssistantMessage(
            f"{plan.message.text}{HANDOVER}{edits.message.text}",
            plan.message.reasoning,
            calls,
            "length" if cut else "calls",
        )
        model = f"{plan.model} + {edits.model}"
        return Reply(
            message, _usage(plan.usage, edits.usage), _time(plan, edits), model, aside=True
        )


def _for_planner(request: Request) -> Request:
    tools = tuple(tool for tool in request.tools if tool.name not in EDIT_TOOLS)
    messages = tuple(
        replace(one, text=one.text.partition(HANDOVER)[0])
        if isinstance(one, AssistantMessage) and HANDOVER in one.text
        else one
        for one in request.messages
    )
    instructions = f"{request.instructions}\n{PLANNER}".strip()
    return replace(request, instructions=instructions, tools=tools, messages=messages)


def _for_editor(message: AssistantMessage) -> list[Message]:
    """Return an answer as the editor knows it: plans are what it was asked, its edits are what it said."""
    plan, handover, edits = message.text.partition(HANDOVER)
    if handover:
        return [AssistantMessage(plan), UserMessage(EDIT_NOW), AssistantMessage(edits)]
    calls = [as_fence(call) for call in message.calls]
    return [AssistantMessage("\n\n".join([part for part in (plan, *calls) if part]))]


def _is_plan(text: str) -> bool:
    lines = without_thoughts(text.replace("\r\n", "\n")).split("\n")
    return any(fence.info.strip() == "plan" and fence.closed for fence in fences(lines))


def _usage(one: Usage, other: Usage) -> Usage:
    def total(first: int | None, second: int | None) -> int | None:
        return None if first is None and second is None else (first or 0) + (second or 0)

    return Usage(
        total(one.prompt_tokens, other.prompt_tokens),
        total(one.cached_tokens, other.cached_tokens),
        total(one.completion_tokens, other.completion_tokens),
        total(one.reasoning_tokens, other.reasoning_tokens),
    )


def _time(plan: Reply, edits: Reply) -> Timings:
    return Timings(plan.timings.first_token_s, plan.timings.total_s + edits.timings.total_s)
