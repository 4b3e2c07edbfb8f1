"""The double that ships: a model that follows a script, in this process or as a real HTTP server.

Scripted(turns)                                    behind the `Model` port, without a network
with serve(turns) as server: server.base_url       a server in a thread of this process
python -m hob.models.scripted turns.json --port 0  a server in a process of its own
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event

from hob.core.deltas import Delta
from hob.core.errors import ModelError
from hob.core.messages import AssistantMessage, Reply
from hob.core.request import Request
from hob.models.answer import Answer
from hob.models.failures import from_status, says_loading
from hob.models.faults import FAULTS, Fault, perform
from hob.models.render import Renderer
from hob.models.script import Player, Script, ScriptedCall, Turn, count_tokens, load_script
from hob.models.scripted_server import Received, ScriptedServer, serve
from hob.models.scripted_wire import Performance

_LOADING_S = 0.01

__all__ = [
    "FAULTS",
    "Fault",
    "Received",
    "Script",
    "Scripted",
    "ScriptedCall",
    "ScriptedServer",
    "Turn",
    "load_script",
    "serve",
]


class Scripted:
    """A model that plays a script. Its bytes go through the same reading as a real server's.

    A hang waits until it is cancelled or `deadline_s` is over. `requests` are all requests so far.
    """

    def __init__(self, script: Script, name: str = "scripted") -> None:
        self._player = Player(script)
        self._name = name
        self._renderer = Renderer(name)
        self._before = b""
        self.requests: list[Request] = []

    @property
    def name(self) -> str:
        """Return the model's name for people."""
        return self._name

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """Yield deltas and end with one `Reply`; see `Model.stream`. Raises `ModelError`."""
        self.requests.append(request)
        body, before = self._renderer.render(request), self._before
        self._before = body
        performance = await self._performance(request, body, before)
        loop = asyncio.get_running_loop()
        started_at, first_token_s = loop.time(), None
        answer = Answer(self._name)
        answer.content_type = performance.headers.get("content-type", "")
        self._open(performance)
        if performance.opening == "hang":
            await self._hang(request.deadline_s)
        for move in performance.moves:
            if isinstance(move, bytes):
                for delta in answer.feed(move):
                    yield delta
            elif isinstance(move, float):
                await asyncio.sleep(move)
            elif move == "hang":
                await self._hang(request.deadline_s)
            else:
                raise ModelError("cut", f"{self._name} broke the connection off; ask again.")
            if answer.begun and first_token_s is None:
                first_token_s = loop.time() - started_at
        for delta in answer.close():
            yield delta
        yield answer.reply(first_token_s, loop.time() - started_at)

    async def aclose(self) -> None:
        """Do nothing: there are no connections."""

    async def _performance(self, request: Request, body: bytes, before: bytes) -> Performance:
        """Return what the script has for a request; while it says that it loads, it is asked again."""
        answers = sum(isinstance(m, AssistantMessage) for m in request.messages)
        loop, limit_s = asyncio.get_running_loop(), request.deadline_s
        started_at = loop.time()
        while True:
            turn = self._player.turn(answers)
            performance = perform(turn, count_tokens(body, before, turn))
            if performance.status == 200 or not says_loading(*_answered(performance)):
                return performance
            if limit_s is not None and loop.time() - started_at >= limit_s:
                text = f"{self._name} was still loading after {limit_s} s; raise the limit."
                raise ModelError("timeout", text)
            await asyncio.sleep(_LOADING_S)

    def _open(self, performance: Performance) -> None:
        """Raise what the head of the response stands for."""
        if performance.opening == "refuse":
            raise ModelError("unreachable", f"{self._name} cannot be reached; start it.")
        headers = performance.headers
        if performance.status != 200:
            status, body = _answered(performance)
            raise from_status(self._name, status, headers, body)
        if "content-encoding" in headers:
            raise ModelError("malformed", f"{self._name} sent a compressed answer; switch it off.")

    async def _hang(self, deadline_s: float | None) -> None:
        try:
            async with asyncio.timeout(deadline_s):
                await asyncio.get_running_loop().create_future()
        except TimeoutError:
            text = f"{self._name} said nothing for {deadline_s} s; raise the limit."
            raise ModelError("timeout", text) from None


def _answered(performance: Performance) -> tuple[int, bytes]:
    body = b"".join(move for move in performance.moves if isinstance(move, bytes))
    return performance.status, body


def main(argv: Sequence[str]) -> int:
    """Serve a script until interrupted; the first line printed is the base URL."""
    parser = argparse.ArgumentParser(prog="python -m hob.models.scripted", description=__doc__)
    parser.add_argument("script", type=Path, help="a JSON file with a list of turns")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--model", default="scripted", help="the name that /v1/models gives")
    parser.add_argument("--record", type=Path, help="append each request to this JSONL file")
    options = parser.parse_args(argv)
    turns = load_script(options.script.read_bytes())
    server = serve(turns, model=options.model, port=options.port, record=options.record)
    with suppress(KeyboardInterrupt), server:
        sys.stdout.write(f"{server.base_url}\n")
        sys.stdout.flush()
        Event().wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
