"""What a person hears while a server loads or reads: from servers that tell it, and from those that do not."""

import asyncio
from contextlib import aclosing

import msgspec
import pytest

from hob.core.deltas import Notice, TextDelta
from hob.core.errors import ModelError
from hob.core.messages import Reply, UserMessage
from hob.core.request import Request
from hob.core.tokens import estimate_head, estimate_message
from hob.models.openai_chat import OpenAIChat
from hob.models.patience import Patience
from hob.models.progress import is_at_home
from hob.models.scripted_wire import chunk

REQUEST = Request("s", "You are brief.", (), (UserMessage("Tell me about kettles. " * 400),))
TOTAL = estimate_head(REQUEST.instructions, ()) + estimate_message(REQUEST.messages[0])
ANSWER = chunk({"delta": {"content": "Hi"}}) + chunk({"delta": {}, "finish_reason": "stop"})
LOADING = {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}


class Double:
    """A server with pages, and a completion that comes after a while; loading for the first asks."""

    def __init__(self, pages, *, delay_s=0.0, loads=0, status=503, body=LOADING):
        self.pages = pages
        self.delay_s = delay_s
        self.loads = loads
        self.status = status
        self.body = body
        self.asked = []
        self._serving = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.name = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *error):
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader, writer):
        self._serving.add(asyncio.current_task())
        try:
            await self._answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client had its answer and left
        finally:
            writer.transport.abort()

    async def _answer(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        method, path, *_ = head.decode().split(" ")
        self.asked.append(path)
        if method == "POST":
            if self.loads:
                self.loads -= 1
                self._send(writer, self.status, msgspec.json.encode(self.body))
            else:
                await asyncio.sleep(self.delay_s)
                self._send(writer, 200, ANSWER + b"data: [DONE]\n\n", "text/event-stream")
        else:
            page = self.pages.get(path)
            page = page.pop(0) if isinstance(page, list) and len(page) > 1 else page
            status, body = page[0] if isinstance(page, list) else page or (404, {})
            self._send(writer, status, msgspec.json.encode(body))
        writer.close()
        await writer.wait_closed()

    def _send(self, writer, status, body, kind="application/json"):
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n"
        writer.write(f"{head}connection: close\r\n\r\n".encode() + body)


def talk(double, **patience):
    """Return the notices with the server's name as S, and the rest, of one call."""

    items = []

    async def main():
        async with double:
            url = f"http://{double.name}/v1"
            model = OpenAIChat(base_url=url, model="m:8b", patience=Patience(**patience))
            try:
                await collect(model.stream(REQUEST), items)
            except ModelError as error:
                return error.kind, str(error).replace(double.name, "S")
            finally:
                await model.aclose()

    failure = asyncio.run(main())
    notices = [i.text.replace(double.name, "S") for i in items if isinstance(i, Notice)]
    return notices, [i for i in items if not isinstance(i, Notice)], failure


async def collect(stream, items):
    async with aclosing(stream):
        async for item in stream:
            items.append(item)


def slot(done, *, cached=0, busy=True, decoded=0):
    return {
        "is_processing": busy,
        "n_prompt_tokens": done + cached + 64,
        "n_prompt_tokens_processed": done,
        "n_prompt_tokens_cache": cached,
        "next_token": [{"n_decoded": decoded}],
    }


def test_llama_cpp_tells_how_far_it_has_read():
    slots = [(200, [slot(n, cached=200), slot(0, busy=False)]) for n in (0, 300, 800, 1100)]
    double = Double({"/health": (200, {"status": "ok"}), "/slots": slots}, delay_s=0.5)
    notices, rest, _ = talk(double, notice_s=0.05)
    assert isinstance(rest[-1], Reply)
    assert notices[:2] == [
        f"S is reading the prompt: 200 of about {TOTAL:,} tokens ({20000 // TOTAL} %).",
        f"S is reading the prompt: 500 of about {TOTAL:,} tokens ({50000 // TOTAL} %).",
    ]


def test_the_time_left_is_judged_by_the_speed_so_far():
    slots = [(200, [slot(n)]) for n in (200, 400, 700)]
    double = Double({"/slots": slots}, delay_s=1.9)
    notices, _, _ = talk(double, notice_s=0.2)
    assert notices[0].endswith("%).")
    assert notices[-1].endswith(" s left."), notices


@pytest.mark.parametrize(
    "pages",
    [
        {},
        {"/slots": (501, {"error": {"message": "This server does not support slots endpoint."}})},
        {"/slots": (200, [slot(300), slot(400)])},
        {"/slots": (200, [slot(300, decoded=2)])},
        {"/slots": (200, {"strange": True}), "/health": (200, []), "/api/ps": (200, [3])},
        {"/api/ps": (200, {"models": [{"name": "m:8b"}]})},
        {"/api/v0/models": (200, {"data": [{"id": "m:8b", "state": "loaded"}]})},
    ],
)
def test_a_server_that_does_not_tell_is_not_guessed(pages):
    notices, rest, _ = talk(Double(pages, delay_s=0.3), notice_s=0.1)
    assert isinstance(rest[-1], Reply)
    assert set(notices) == {
        "S has been silent for 0 s: it is loading the model or reading the prompt."
    }


@pytest.mark.parametrize(
    "pages",
    [
        {"/api/ps": (200, {"models": [{"name": "other:1b"}]})},
        {"/api/v0/models": (200, {"data": [{"id": "m:8b", "state": "not-loaded"}]})},
        {"/health": (503, LOADING)},
    ],
)
def test_a_model_that_is_not_in_memory_is_being_loaded(pages):
    notices, rest, _ = talk(Double(pages, delay_s=0.3), notice_s=0.1)
    assert isinstance(rest[-1], Reply)
    assert notices
    assert set(notices) == {"S is loading 'm:8b'."}


def test_a_prompt_longer_than_estimated_has_no_percentage():
    notices, _, _ = talk(Double({"/slots": (200, [slot(9100)])}, delay_s=0.2), notice_s=0.1)
    assert notices == ["S is reading the prompt: 9,100 tokens so far."]


def test_a_page_that_hangs_disturbs_nothing():
    async def main():
        async def hold(reader, writer):
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"POST"):
                await asyncio.sleep(0.3)
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + ANSWER)
                writer.close()
            else:
                await reader.read(1)
                writer.close()

        server = await asyncio.start_server(hold, "127.0.0.1", 0)
        async with server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            model = OpenAIChat(base_url=url, model="m", patience=Patience(notice_s=0.05))
            async with aclosing(model.stream(REQUEST)) as stream:
                items = [item async for item in stream]
            await model.aclose()
            return items

    items = asyncio.run(main())
    assert TextDelta("Hi") in items
    assert isinstance(items[-1], Reply)
    assert items[-1].timings.first_token_s < 0.9, "the look did not hold the answer up"


def test_an_answer_that_comes_quickly_asks_for_nothing_else():
    double = Double({"/slots": (200, [slot(5)])})
    notices, _, _ = talk(double, notice_s=0.5)
    assert (notices, double.asked) == ([], ["/v1/chat/completions"])


def test_what_a_server_does_not_offer_is_asked_for_once():
    double = Double({}, delay_s=0.6)
    talk(double, notice_s=0.05)
    assert sorted(double.asked[1:]) == ["/api/ps", "/api/v0/models", "/health", "/slots"]


def test_loading_is_waited_for_and_does_not_use_up_attempts():
    double = Double({"/health": (503, LOADING)}, loads=3)
    notices, rest, failure = talk(double, notice_s=0.2, first_token_s=0.5)
    assert failure is None
    assert isinstance(rest[-1], Reply)
    assert "S is loading 'm:8b'." in notices
    assert double.asked.count("/v1/chat/completions") == 4


def test_loading_has_its_own_limit():
    assert talk(Double({}, loads=99), load_s=0.25)[2] == (
        "timeout",
        "S was still loading the model after 0.3 s; look at its log and whether the model fits its "
        "memory, or raise HOB_LOAD_TIMEOUT.",
    )


def test_a_busy_server_is_not_one_that_loads():
    busy = {"error": {"message": "slot queue is full"}}
    failure = talk(Double({}, loads=99, body=busy))[2]
    assert failure is not None
    assert failure[0] == "overloaded"


def test_what_moves_is_not_silent():
    """The limit is 0.4 s, the prompt takes 1 s, and every look sees more of it read."""
    slots = [(200, [slot(n * 40)]) for n in range(1, 30)]
    double = Double({"/slots": slots}, delay_s=1.0)
    notices, rest, failure = talk(double, notice_s=9.0, first_token_s=0.4)
    assert failure is None
    assert isinstance(rest[-1], Reply)
    assert notices == []


def test_what_got_stuck_is_named():
    double = Double({"/slots": (200, [slot(640)])}, delay_s=9.0)
    failure = talk(double, notice_s=0.1, first_token_s=0.4)[2]
    assert failure is not None
    kind, words = failure
    assert kind == "timeout"
    assert words.startswith("S said nothing for 0.")
    assert "got no further; when last seen it was reading the prompt: 640 of about" in words


@pytest.mark.parametrize(
    ("url", "home"),
    [
        ("http://localhost:1/v1", True),
        ("http://192.168.1.7:8080/v1", True),
        ("http://gpu-box:8080/v1", True),
        ("http://gpu.lan/v1", True),
        ("https://api.example.com/v1", False),
        ("http://93.184.216.34/v1", False),
    ],
)
def test_only_servers_at_home_are_asked(url, home):
    assert is_at_home(url) is home
