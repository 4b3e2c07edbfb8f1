"""The running of all tasks: one model on one server, through the adapter that sessions use."""

import time
from collections.abc import Callable, Sequence
from statistics import median

from msgspec import Struct
from msgspec.structs import replace

from hob.core.errors import ModelError
from hob.core.messages import Reply, UserMessage
from hob.core.ports import Model
from hob.core.request import Request
from hob.models.anthropic import Anthropic
from hob.models.bench.attempt import Attempt, Line
from hob.models.bench.row import NATIVE, REPAIRED, Outcome, Row
from hob.models.bench.tasks import TASKS, Task
from hob.models.discovery import Found
from hob.models.examine import examine
from hob.models.ollama import Ollama
from hob.models.openai_chat import OpenAIChat
from hob.models.responses import Responses
from hob.models.text_protocol import TextProtocol
from hob.models.tool_syntax import SecondParser

MAX_TOKENS = 1024  # of an answer: room for some thoughts, an end for a model that never stops
_WARM_TOKENS = 96
_WARM_TASK = "Count from one to forty, in words."
_EDIT_FORMAT = "diff"
_COLD = 0.0
_STEADY = {"temperature": _COLD}
_FASTEST = 10_000  # tokens a second; a server that seems faster held its answer back


class Plan(Struct, frozen=True):
    """What is to be done: each task `repeat` times; `limit_s` and `max_tokens` are for each answer."""

    tasks: tuple[Task, ...] = TASKS
    repeat: int = 1
    limit_s: float = 300.0
    max_tokens: int = MAX_TOKENS


def adapter(found: Found, window_tokens: int | None = None) -> Model:
    """Return the adapter that sessions use, at temperature 0 where that is taken: the same verdict each time.

    `window_tokens` is what Ollama is asked for; another window than that of sessions would load the model again.
    """
    url, model, key = found.base_url, found.model, found.api_key
    if found.protocol == "messages":
        return Anthropic(base_url=url, model=model, api_key=key, extra=_STEADY)
    if found.protocol == "responses":  # its models refuse a temperature
        return Responses(base_url=url, model=model, api_key=key)
    if found.kind == "ollama":
        return Ollama(
            base_url=url, model=model, api_key=key, num_ctx=window_tokens, temperature=_COLD
        )
    return OpenAIChat(base_url=url, model=model, api_key=key, extra=_STEADY)


async def measure(
    found: Found,
    plan: Plan,
    told: Callable[[str], None] = lambda _: None,
    make: Callable[[Found], Model] = adapter,
) -> Row:
    """Measure one model. What goes wrong is a part of the row, never raised; `told` hears what is asked."""
    run = _Run(found, plan, told)
    started = time.monotonic()
    try:
        await run.all(make)
    except ModelError as error:
        run.row = replace(run.row, error=str(error), error_kind=error.kind)
    return replace(
        run.row,
        first_token_s=median(run.waits) if run.waits else None,
        requests=run.requests,
        seconds=time.monotonic() - started,
    )


class _Run:
    """One model being measured; `row` is what is known of it so far."""

    def __init__(self, found: Found, plan: Plan, told: Callable[[str], None]) -> None:
        self._found = found
        self._plan = plan
        self._told = told
        self.row = Row(found.model, found.base_url)
        self.waits: list[float] = []
        self.requests = 0

    async def all(self, make: Callable[[Found], Model]) -> None:
        """Ask everything. Raises `ModelError` where going on makes no sense."""
        native = SecondParser(make(self._found))
        try:
            await self._warm(native)
            await self._describe()
            outcomes = await self._tasks(native, "calls", self._plan.tasks)
            self.row = replace(self.row, outcomes=outcomes)
            if any(form in (NATIVE, REPAIRED) for one in outcomes for form in one.forms):
                return
            tasks = [task for task in self._plan.tasks if task.in_text]
            in_text = TextProtocol(native, _EDIT_FORMAT)
            self.row = replace(
                self.row, text_outcomes=await self._tasks(in_text, "text protocol", tasks)
            )
        finally:
            await native.aclose()

    async def _warm(self, model: Model) -> None:
        """Have the model loaded and see how fast it writes; plain text is held back by no server."""
        self._told("a first answer")
        line = Line(model, self._plan.limit_s, _WARM_TOKENS)
        try:
            reply = await line.ask(Request("bench", "", (), (UserMessage(_WARM_TASK),)))
        except ModelError as error:
            if error.kind != "empty":
                raise
        else:
            self.row = replace(self.row, tokens_per_s=_tokens_per_s(reply))
        finally:
            self.requests += line.requests

    async def _describe(self) -> None:
        """Ask the server what it is, once the model is loaded: some know a window only then."""
        found = self._found
        try:
            facts = await examine(found.base_url, found.api_key, found.model)
        except ModelError:
            return  # a server that lists nothing may still have answered
        # A server with one model (llama.cpp) takes any name for it.
        alone = len(facts.models) == 1
        card = facts.models[0] if alone else replace(found, facts=facts).card
        self.row = replace(
            self.row,
            kind=facts.kind,
            version=facts.version,
            window_tokens=card.window_tokens,
        )

    async def _tasks(self, model: Model, how: str, tasks: Sequence[Task]) -> tuple[Outcome, ...]:
        line = Line(model, self._plan.limit_s, self._plan.max_tokens)
        outcomes: list[Outcome] = []
        late = False
        todo = [task for _ in range(self._plan.repeat) for task in tasks]
        try:
            for number, task in enumerate(todo):
                self._told(f"{how} {number + 1} of {len(todo)}: {task.name}")
                attempt = Attempt(line, task, f"bench-{how}-{number}")
                outcomes.append(await attempt.run())
                if late and attempt.timed_out:
                    # A server that hangs would hold up the other models for hours.
                    raise ModelError("timeout", f"Given up after two answers: {outcomes[-1].why}")
                late = attempt.timed_out
        finally:
            self.waits += line.waits
            self.requests += line.requests
        return tuple(outcomes)


def _tokens_per_s(reply: Reply) -> float | None:
    """Return how fast an answer was written: the server's own figure, else from its first token to its end."""
    tokens, timings = reply.usage.completion_tokens, reply.timings
    if tokens is None or timings.first_token_s is None:
        return None
    if timings.predicted_s:
        return tokens / timings.predicted_s
    seconds = timings.total_s - timings.first_token_s
    return (tokens - 1) / seconds if tokens > 1 and (tokens - 1) < _FASTEST * seconds else None
