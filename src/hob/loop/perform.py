"""Perform effects and say as facts what came of them. Nothing here raises but cancellation from outside."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

from msgspec.structs import replace

from hob.core import events as e
from hob.core.deltas import Delta, Notice, OutputDelta, TextDelta
from hob.core.effects import CallModel, Compact
from hob.core.errors import ModelError
from hob.core.messages import AssistantMessage, Reply, ToolCall, ToolResult
from hob.core.permission import Decision
from hob.core.ports import Clock, Model, Permission
from hob.core.request import Request
from hob.core.reuse import Expected, Reuse, cut_in_silence, measure
from hob.core.session import Session
from hob.loop.compaction import compacted
from hob.loop.log import Tell
from hob.loop.retry import verdict
from hob.loop.toolbox import Toolbox

STOPPED = ToolResult(
    "Stopped before it finished; what it had done until then stays done.", is_error=True
)


class Performer:
    """The hands of a session: a model, a toolbox and a guard."""

    def __init__(
        self,
        model: Model,
        toolbox: Toolbox,
        permission: Permission,
        clock: Clock,
        close: Callable[[], Awaitable[None]] | None = None,
        after_turn: Callable[[Session], Awaitable[str]] | None = None,
    ) -> None:
        self.model = model
        self._toolbox, self._permission, self._clock = toolbox, permission, clock
        self._close, self._after_turn = close, after_turn

    async def aclose(self) -> None:
        """Let go of the model's connections and of what the tools hold (`close`)."""
        await self.model.aclose()
        if self._close is not None:
            await self._close()

    async def after_turn(self, session: Session) -> str:
        """Do what a person wants done after each turn; return in words what came of it, or ""."""
        if self._after_turn is None or session.phase != "idle":
            return ""
        try:
            return await self._after_turn(session)
        except Exception as error:  # the turn is over and stored; this must not undo that
            return f"After the turn: {type(error).__name__}: {error}"

    async def answer(self, effect: CallModel, tell: Tell) -> e.StepFinished | e.StepFailed:
        """Call the model once. A cut answer is a failure: no tool ever runs from a partial call."""
        said: list[str] = []
        try:
            if effect.delay_s:
                await self._clock.sleep(effect.delay_s)
            reply = await self._listen(effect.request, said, tell)
            if (read := cut_in_silence(effect.expected, reply)) is not None:
                # The last prompt was read whole, so the window holds that much; some servers cut to half of it.
                holds = max(read, effect.expected.sent)
                raise ModelError("context_overflow", _cut(effect.expected, read), None, None, holds)
            reuse = measure(effect.expected, reply, effect.request.messages, self._clock.now_ms())
            return _finished(reply, effect.step, reuse)
        except ModelError as error:
            final, delay_s = verdict(error, effect.attempt, effect.max_attempts)
            window = error.window_tokens
            return e.StepFailed(error.kind, str(error), final, delay_s, window_tokens=window)
        except asyncio.CancelledError:
            return e.StepFailed(
                "cancelled", "Stopped while the model was answering.", False, partial="".join(said)
            )
        except Exception as error:  # an adapter's bug must not take the session down
            text = f"The adapter of {self.model.name!r} failed: {type(error).__name__}: {error}"
            return e.StepFailed("malformed", text, final=True)

    async def compact(self, effect: Compact, tell: Tell) -> e.Compacted | e.StepFailed:
        """Make the context small: with a summary by the model, or by rule where it has none to give."""
        reply = None
        try:
            if effect.request is not None:
                tell(Notice(f"Compacting the context: {effect.reason}."))
                if effect.delay_s:
                    await self._clock.sleep(effect.delay_s)
                reply = await self._listen(effect.request, [], _only_notices(tell))
        except ModelError as error:
            again, delay_s = verdict(error, effect.attempt, effect.attempt + 1)
            if not again:  # once more; after that the host does it by rule
                return e.StepFailed(error.kind, str(error), False, delay_s)
        except asyncio.CancelledError:
            return e.StepFailed("cancelled", "Stopped while the context was compacted.", False)
        except Exception as error:
            text = f"The adapter of {self.model.name!r} failed: {type(error).__name__}: {error}"
            return e.StepFailed("malformed", text, False)
        return compacted(effect, reply, self._toolbox.put_aside, self._clock.now_ms())

    async def _listen(self, request: Request, said: list[str], tell: Tell) -> Reply:
        async with aclosing(self.model.stream(request)) as stream:
            async for part in stream:
                if isinstance(part, Reply):
                    return part
                if isinstance(part, TextDelta):
                    said.append(part.text)
                tell(part)
        raise ModelError("cut", f"The answer of {self.model.name!r} stopped in the middle.")

    async def judge(self, calls: Sequence[ToolCall]) -> Sequence[e.Event]:
        """Check calls against their schemas, then ask the guard about those that fit."""
        return [await self._judge(call) for call in calls]

    async def _judge(self, call: ToolCall) -> e.Event:
        spec = self._toolbox.spec(call.name)
        try:
            action = self._toolbox.check(call)
            if isinstance(action, ToolResult):
                return e.ToolFinished(call.call_id, action)
            decision = await self._permission.judge(action)
        except Exception as error:  # a guard that fails, fails closed
            decision = Decision(
                "deny", "guard", f"The guard failed: {type(error).__name__}: {error}"
            )
        except asyncio.CancelledError:
            decision = Decision("deny", "cancelled", "Cancelled before it was decided.")
        if decision.verdict == "ask":
            return e.PermissionAsked(
                call.call_id, decision.rule, decision.reason, spec.access, spec.replay
            )
        return e.PermissionDecided(call.call_id, decision, "rule", spec.access, spec.replay)

    async def use(self, call: ToolCall, tell: Tell) -> e.ToolFinished:
        """Run one call to its end. Whatever happens, there is a result."""

        def report(stream: str, text: str) -> None:
            tell(OutputDelta(call.call_id, "stderr" if stream == "stderr" else "stdout", text))

        try:
            return e.ToolFinished(call.call_id, await self._toolbox.run(call, report))
        except asyncio.CancelledError:
            return e.ToolFinished(call.call_id, STOPPED)


def _finished(reply: Reply, step: int, reuse: Reuse) -> e.StepFinished:
    message = _number(reply.message, step)
    return e.StepFinished(message, reply.usage, reply.timings, reply.model, reply.server, reuse)


def _only_notices(tell: Tell) -> Tell:
    """Keep the words of a summary from a person who reads an answer."""

    def pass_on(item: e.Recorded | Delta) -> None:
        if isinstance(item, Notice):
            tell(item)

    return pass_on


def _cut(expected: Expected, read: int) -> str:
    return (
        f"The server cut the prompt without a word: it read {read:,} of about {expected.tokens:,} tokens, so its"
        " answer was thrown away. Raise its context window (Ollama: num_ctx or OLLAMA_CONTEXT_LENGTH, llama.cpp: -c,"
        " LM Studio: the model's context length)."
    )


def _number(message: AssistantMessage, step: int) -> AssistantMessage:
    """Name each call after its step: unique in the session, whatever the server sent."""
    if not message.calls:
        return message
    calls = tuple(replace(call, call_id=f"{step}.{i}") for i, call in enumerate(message.calls))
    return replace(message, calls=calls)
