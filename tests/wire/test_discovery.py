"""Finding a model: the order, the keys, and what is said when nobody answers."""

import asyncio
import socket
import subprocess
import sys

import pytest

from hob.core.errors import ModelError
from hob.models.discovery import Found, Wishes, discover
from hob.models.facts import ModelFacts, ServerFacts
from hob.models.script import Turn
from hob.models.scripted_server import serve


def find(**wishes):
    return asyncio.run(discover(Wishes(**{"ports": (), **wishes})))


def port_of(server):
    return int(server.base_url.split(":")[2].split("/")[0])


@pytest.fixture
def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture
def server():
    with serve([Turn(text="Hi")], model="qwen3-coder") as running:
        yield running


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        (
            {"base_url": "http://a/v1", "model": "m", "hob_base_url": "http://b/v1"},
            ("http://a/v1", "m", ""),
        ),
        (
            {"hob_base_url": "b:1", "hob_model": "m", "hob_api_key": "k", "openai_api_key": "o"},
            ("http://b:1/v1", "m", "k"),
        ),
        (
            {"openai_base_url": "https://c/v1/", "model": "m", "openai_api_key": "o"},
            ("https://c/v1", "m", "o"),
        ),
        (
            {"base_url": "http://a", "model": "m", "openai_api_key": "o", "hob_model": "n"},
            ("http://a/v1", "m", ""),
        ),
        (
            {
                "base_url": "https://c/v1",
                "openai_base_url": "https://c/v1",
                "model": "m",
                "openai_api_key": "o",
            },
            ("https://c/v1", "m", "o"),
        ),
        ({"base_url": "http://a/x/y/", "model": "m"}, ("http://a/x/y", "m", "")),
    ],
)
def test_the_order_and_whose_key_goes_where(wishes, expected):
    found = find(**wishes)
    assert (found.base_url, found.model, found.api_key) == expected
    assert found.kind == "openai"
    assert found.why.endswith("says.")


def test_a_base_url_alone_is_asked_for_its_models(server):
    found = find(base_url=server.base_url)
    where = server.base_url.removeprefix("http://").removesuffix("/v1")
    why = f"Using 'qwen3-coder' at {where}, as --base-url says."
    facts = ServerFacts("openai", server.base_url, models=(ModelFacts("qwen3-coder"),))
    assert found == Found(server.base_url, "qwen3-coder", "", why, "openai", facts)


@pytest.mark.parametrize("tail", ["", "/", "/v1/", "/v1/chat/completions"])
def test_every_way_of_writing_the_base_url_works(server, tail):
    assert find(hob_base_url=server.base_url.removesuffix("/v1") + tail).model == "qwen3-coder"


def test_a_server_that_was_named_is_never_replaced(server, free_port):
    with pytest.raises(ModelError, match="cannot be reached") as caught:
        find(base_url=f"http://127.0.0.1:{free_port}", ports=(port_of(server),))
    assert caught.value.kind == "unreachable"


def test_the_first_port_that_answers_wins(server, free_port):
    with serve([], model="other") as second:
        found = find(ports=(free_port, port_of(server), port_of(second)))
        assert (found.model, found.api_key) == ("qwen3-coder", "")
        assert found.why.endswith("found on this machine.")
        assert find(ports=(port_of(second), port_of(server))).model == "other"


def test_embedding_models_are_passed_over(server):
    with serve([], model="nomic-embed-text") as embedding:
        assert find(ports=(port_of(embedding), port_of(server))).model == "qwen3-coder"
        with pytest.raises(ModelError, match="no chat model"):
            find(base_url=embedding.base_url)


def test_a_model_by_name_is_looked_for_on_every_port(server):
    with serve([], model="llama3:latest") as second:
        ports = (port_of(server), port_of(second))
        assert find(ports=ports, model="llama3").model == "llama3:latest"
        with pytest.raises(ModelError, match="they offer qwen3-coder, llama3:latest"):
            find(ports=ports, model="gpt")


def test_a_model_by_name_without_any_server_is_an_error(free_port):
    with pytest.raises(ModelError, match="start one") as caught:
        find(ports=(free_port,), hob_model="gpt")
    assert caught.value.kind == "unreachable"


def test_without_anybody_it_is_offline_and_a_key_changes_nothing(free_port):
    found = find(ports=(free_port,), openai_api_key="o", hob_api_key="k")
    assert (found.kind, found.model, found.base_url, found.api_key) == (
        "offline",
        "offline",
        "",
        "",
    )
    assert str(free_port) in found.why


@pytest.mark.parametrize("wish", [{"model": "offline"}, {"hob_model": "offline"}])
def test_offline_can_be_asked_for(server, wish):
    assert find(base_url=server.base_url, **wish).kind == "offline"


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n<html>",
        b'HTTP/1.1 200 OK\r\n\r\n{"data":[{"no":"id"}]}',
        b'HTTP/1.1 200 OK\r\n\r\n{"data":{}}',
        b"HTTP/1.1 404 Not Found\r\n\r\n",
        b'HTTP/1.1 503 Busy\r\n\r\n{"error":{"message":"Loading model"}}',
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_other_programs_on_the_usual_ports_do_no_harm(reply):
    async def main():
        async def answer(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(reply)
            writer.close()

        stranger = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with stranger:
            port = stranger.sockets[0].getsockname()[1]
            return await discover(Wishes(ports=(port,)))

    found = asyncio.run(main())
    assert found.kind == "offline"
    assert found.why.isprintable()


def test_chunked_lists_are_read():
    body = b'6\r\n{"data\r\n12;x=y\r\n":[{"id":"tiny"}]}\r\n0\r\n\r\n'

    async def main():
        async def answer(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await discover(Wishes(ports=(port,)))

    assert asyncio.run(main()).model == "tiny"


def test_looking_around_loads_no_http_library(free_port):
    code = (
        "import asyncio, sys\n"
        "from hob.models.discovery import Wishes, discover\n"
        f"found = asyncio.run(discover(Wishes(ports=({free_port},))))\n"
        "print(found.kind, 'httpx2' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["offline", "False"]
