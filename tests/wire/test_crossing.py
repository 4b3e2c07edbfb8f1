"""A server that says goodbye just as the next request is sent: that request was never read, so it is sent again."""

import asyncio
from contextlib import suppress

import httpx2
from msgspec.structs import replace

from hob.core.errors import ModelError
from hob.models.exchange import make_client
from hob.models.openai_chat import OpenAIChat
from tiny.engine import engine
from wire.test_openai_chat import ask, everything

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def asked_twice(goodbye_s: float, first: int = 1) -> tuple[list[str], int]:
    """Return two answers of a server that answers `first` requests a connection, and how many connections came."""
    connections = 0
    visits: list[asyncio.Task[None]] = []

    async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        visits.append(asyncio.current_task())
        for _ in range(first):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(ANSWER)
        await reader.read(1)
        await asyncio.sleep(goodbye_s)
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(visit, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = make_client(f"http://127.0.0.1:{port}/v1", "", 5.0)
    said: list[str] = []
    try:
        for _ in range(2):
            said.append((await client.get(f"http://127.0.0.1:{port}/")).text)
    except httpx2.RemoteProtocolError as error:
        said.append(str(error))
    finally:
        await client.aclose()
        server.close()
        await asyncio.gather(*visits)
    return said, connections


def test_request_that_crosses_with_a_goodbye_is_sent_again():
    assert asyncio.run(asked_twice(0.0)) == (["ok", "ok"], 2)


def test_goodbye_to_a_new_connection_or_a_late_one_is_an_answer():
    lost = "Server disconnected without an answer"
    assert asyncio.run(asked_twice(0.0, first=0)) == ([lost], 1)
    assert asyncio.run(asked_twice(1.2)) == (["ok", lost], 1)


def test_requests_right_after_each_other_reach_the_real_engine():
    async def main(base_url: str) -> set[str]:
        model, failures = OpenAIChat(base_url=base_url, model="tiny"), set[str]()
        for _ in range(60):
            try:
                await everything(model, replace(ask(), max_tokens=2))
            except ModelError as error:
                failures.add(error.kind)
        await model.aclose()
        return failures

    with engine() as served:
        assert asyncio.run(main(served.base_url)) <= {"empty"}  # random weights
