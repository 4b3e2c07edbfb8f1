"""One try at one task: a short conversation, judged answer by answer."""

import asyncio

from msgspec.structs import replace

from hob.core.errors import ModelError
from hob.core.messages import AssistantMessage, Message, Reply, ToolMessage, UserMessage
from hob.core.ports import Model
from hob.core.request import Request
from hob.models.bench.judge import judge_calls, judge_words
from hob.models.bench.row import NATIVE, REPAIRED, TEXT, Outcome
from hob.models.bench.tasks import INSTRUCTIONS, Step, Task, Wanted
from hob.models.doctor.live import answer_of
from hob.models.tool_syntax import SecondParser

_PAUSE_S = 1.0


class Line:
    """A model, asked with limits. `waits` are the seconds to each first token, `requests` counts.

    `limit_s` and `max_tokens` are for each answer. A server that is busy or still loading is asked again
    until `limit_s` is over, and one that closed the connection once: llama.cpp does so after each stream, and
    the next request may cross with that.
    """

    def __init__(self, model: Model, limit_s: float, max_tokens: int) -> None:
        self._model = model
        self._parser = model if isinstance(model, SecondParser) else None
        self._limit_s = limit_s
        self._max_tokens = max_tokens
        self.waits: list[float] = []
        self.requests = 0

    async def ask(self, request: Request) -> Reply:
        """Return the answer. Raises `ModelError`."""
        capped = replace(
            request,
            max_tokens=request.max_tokens or self._max_tokens,
            deadline_s=self._limit_s,
        )
        waited_s, lost = 0.0, False
        while True:
            self.requests += 1
            try:
                return await answer_of(self._model, capped)
            except ModelError as error:
                pause_s = 0.0 if error.kind == "unreachable" else error.retry_after_s or _PAUSE_S
                waited_s += pause_s
                again = not lost if error.kind == "unreachable" else error.kind == "overloaded"
                if not again or waited_s > self._limit_s:
                    raise
                lost = error.kind == "unreachable"
            await asyncio.sleep(pause_s)

    async def ask_for_calls(self, request: Request) -> tuple[AssistantMessage, str]:
        """Return an answer, and how its calls came (empty without calls). Raises `ModelError`."""
        before = self._parser.recovered if self._parser else 0
        try:
            reply = await self.ask(request)
        except ModelError as error:
            if self._parser is None or not self._parser.problem:
                raise
            text = f"{self._parser.tool}: wrote a call that cannot be read: {self._parser.problem}"
            raise ModelError("malformed", text) from error
        if reply.timings.first_token_s is not None:
            self.waits.append(reply.timings.first_token_s)
        if not reply.message.calls:
            return reply.message, ""
        if self._parser is None:
            return reply.message, TEXT
        if self._parser.recovered == before:
            return reply.message, NATIVE
        dialect = self._parser.dialect
        return reply.message, REPAIRED if dialect == NATIVE else dialect


class Attempt:
    """A task under way. `timed_out`: the last answer did not come in time."""

    def __init__(self, line: Line, task: Task, session_id: str) -> None:
        self._line = line
        self._task = task
        self._session_id = session_id
        self._messages: list[Message] = [UserMessage(task.text)]
        self._forms: list[str] = []
        self._by_schema = task.wants_calls
        self._together = "no" if task.wants_several else ""
        self._answered = 0
        self.timed_out = False

    async def run(self) -> Outcome:
        """Return how it went. Raises `ModelError` where going on makes no sense."""
        why = ""
        try:
            for step in self._task.steps:
                if why := await self._calls(step) if step.calls else await self._words(step):
                    break
        except ModelError as error:
            if error.kind in ("unreachable", "auth"):
                raise
            why = self._failed(error)
        by_value = not why
        return Outcome(
            self._task.name,
            self._task.wants_calls,
            self._by_schema or by_value,
            by_value,
            why,
            tuple(self._forms),
            self._together,
        )

    async def _words(self, step: Step) -> str:
        message, form = await self._ask()
        if form:
            self._forms.append(form)
        return judge_words(step, message)

    async def _calls(self, step: Step) -> str:
        """Take the calls of a step from one answer or from several, and send the results back."""
        left: list[Wanted] = list(step.calls)
        first = True
        while left:
            message, form = await self._ask()
            if form:
                self._forms.append(form)
            if len(step.calls) > 1 and first and len(message.calls) > 1:
                self._together = "yes"
            judged = judge_calls(left, self._task.tools, message)
            if judged.why:
                self._by_schema = self._by_schema and judged.schema
                return judged.why
            self._answer(message, judged.matched)
            left = [one for one in left if one not in judged.matched]
            first = False
        if self._together == "no" and len(step.calls) > 1:
            self._together = "one at a time"
        return ""

    def _answer(self, message: AssistantMessage, matched: tuple[Wanted, ...]) -> None:
        calls = tuple(
            # Nine letters and digits: the templates of Mistral refuse any other id.
            replace(call, call_id=f"bench{self._answered + number:04d}")
            for number, call in enumerate(message.calls)
        )
        self._answered += len(calls)
        self._messages.append(replace(message, calls=calls, stop="calls"))
        self._messages += [
            ToolMessage(call.call_id, call.name, wanted.result, call.wire_id)
            for call, wanted in zip(calls, matched, strict=True)
        ]

    async def _ask(self) -> tuple[AssistantMessage, str]:
        task = self._task
        messages = tuple(self._messages)
        return await self._line.ask_for_calls(
            Request(self._session_id, INSTRUCTIONS, task.tools, messages)
        )

    def _failed(self, error: ModelError) -> str:
        self._by_schema = self._by_schema and self._answered > 0
        self.timed_out = error.kind == "timeout"
        if self._task.wants_several and error.status is not None:
            self._together = f"refused ({error.status})"
        return "its answer was empty" if error.kind == "empty" else str(error)
