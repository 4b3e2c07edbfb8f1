"""Finding a model: the order, the keys, and what is said when nobody answers."""

import asyncio
import socket
import subprocess
import sys
import urllib.request

import pytest

from hob.core.errors import ModelError
from hob.models.discovery import Found, Wishes, discover, look_around, ollama_base
from hob.models.facts import ModelFacts, ServerFacts
from hob.models.script import Turn
from hob.models.scripted_server import serve
from servers import lmstudio_double as studio
from servers.lmstudio_double import LMStudioDouble
from servers.ollama_double import Card, OllamaDouble
from servers.pages import Pages
from servers.router_double import RouterDouble
from tiny.engine import engine


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


@pytest.mark.parametrize(
    ("host", "base_url"),
    [
        ("", ""),
        ("  ", ""),
        ("0.0.0.0:11434", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("[::]:11434", "http://127.0.0.1:11434/v1"),
        (":8123", "http://127.0.0.1:8123/v1"),
        ("localhost", "http://127.0.0.1:11434/v1"),
        ("myhost", "http://myhost:11434/v1"),
        ("myhost:80", "http://myhost:80/v1"),
        ("http://x:1/", "http://x:1/v1"),
        ("http://x", "http://x/v1"),
        ("https://x", "https://x/v1"),
        ("https://x/ollama/", "https://x/ollama/v1"),
        ("'myhost'", "http://myhost:11434/v1"),
        ("[::1]:1234", "http://[::1]:1234/v1"),
        ("[::1]", "http://[::1]:11434/v1"),
        ("::1", "http://[::1]:11434/v1"),
        ("[fe80::11]", "http://[fe80::11]:11434/v1"),
        ("ftp://x", ""),
        ("x:99999", ""),
        ("x:0", ""),
        ("http://", ""),
    ],
)
def test_every_way_of_writing_ollama_host(host, base_url):
    assert ollama_base(host) == base_url


def test_ollama_is_recognised_behind_the_compatible_route():
    with OllamaDouble() as double:
        base_url = f"{double.root}/v1"
        for found in (find(base_url=double.root), find(ports=(double.port,))):
            assert (found.kind, found.base_url, found.model) == ("ollama", base_url, "qwen3:8b")
            assert found.card.tools is True


def test_ollama_host_goes_before_the_usual_ports(server):
    with OllamaDouble() as double:
        host = f"0.0.0.0:{double.port}"
        found = find(ollama_host=host, ports=(port_of(server), double.port))
        assert (found.kind, found.model) == ("ollama", "qwen3:8b")
        assert found.why == f"Using 'qwen3:8b' at 127.0.0.1:{double.port}, found on this machine."
        bases = asyncio.run(look_around((port_of(server), double.port), host))
        assert bases == [f"{double.root}/v1", server.base_url]


@pytest.mark.parametrize("host", ["rubbish host", "ftp://x", "127.0.0.1:1"])
def test_an_ollama_host_that_is_no_use_changes_nothing(server, host):
    assert find(ollama_host=host, ports=(port_of(server),)).model == "qwen3-coder"


def test_another_server_at_ollama_host_is_what_it_is(server):
    found = find(ollama_host=f"127.0.0.1:{port_of(server)}")
    assert (found.kind, found.model) == ("openai", "qwen3-coder")


def test_an_ollama_elsewhere_is_spoken_to_as_one():
    """127.1 is this machine under a name that is not taken for it."""
    if urllib.request.getproxies():
        pytest.skip("a proxy is set, and it is honoured")
    with OllamaDouble() as double:
        found = find(ollama_host=f"127.1:{double.port}")
    assert (found.kind, found.model, found.protocol) == ("ollama", "qwen3:8b", "chat")
    assert found.why == f"Using 'qwen3:8b' at 127.1:{double.port}, as OLLAMA_HOST says."


def test_what_is_loaded_goes_first():
    with OllamaDouble(cards=[Card("a"), Card("b")], loads=[("b", 8192)]) as double:
        found = find(ports=(double.port,))
        assert (found.model, found.card.window_tokens) == ("b", 8192)
        named = find(ports=(double.port,), model="a")
        assert (named.model, named.card.loaded) == ("a", False)
    with RouterDouble({"zeta": 16_384}, ("alpha",)) as double:
        found = find(base_url=double.root)
        assert (found.model, found.card.window_tokens) == ("zeta", 16_384)


def test_an_embedding_model_is_passed_over_though_its_name_does_not_tell():
    cards = (studio.Card("arctic", kind="embeddings", window=512), studio.Card("qwen"))
    with LMStudioDouble(*cards) as double:
        assert find(base_url=double.root).model == "qwen"


def test_llama_cpp_with_one_model_answers_to_every_name():
    with engine(n_ctx=4096) as served:
        found = find(base_url=served.root, model="whatever")
    assert (found.kind, found.model, found.card.window_tokens) == ("llamacpp", "whatever", 4096)


def test_a_router_answers_to_its_own_names_only():
    with RouterDouble({"a": 16_384}) as double:
        assert find(base_url=double.root, model="b").card == ModelFacts("b")


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        (
            {"anthropic_base_url": "https://a", "anthropic_api_key": "k", "model": "m"},
            ("https://a/v1", "k", "messages"),
        ),
        (
            {
                "anthropic_base_url": "https://a",
                "openai_base_url": "https://o",
                "openai_api_key": "o",
                "anthropic_api_key": "k",
                "model": "m",
            },
            ("https://o/v1", "o", "chat"),
        ),
        (
            {"base_url": "https://a", "anthropic_api_key": "k", "model": "m"},
            ("https://a/v1", "", "chat"),
        ),
        (
            {
                "base_url": "https://a",
                "anthropic_base_url": "https://a",
                "anthropic_api_key": "k",
                "model": "m",
                "protocol": "messages",
            },
            ("https://a/v1", "k", "messages"),
        ),
        (
            {"anthropic_base_url": "https://a", "model": "m", "protocol": "responses"},
            ("https://a/v1", "", "responses"),
        ),
    ],
)
def test_the_cloud_that_speaks_another_protocol(wishes, expected):
    found = find(**wishes)
    assert (found.base_url, found.api_key, found.protocol) == expected


def test_a_key_alone_chooses_no_cloud(free_port):
    found = find(ports=(free_port,), anthropic_api_key="k", openai_api_key="o")
    assert (found.kind, found.base_url, found.api_key) == ("offline", "", "")


def test_a_cloud_without_a_model_is_not_asked():
    with pytest.raises(ModelError, match="name it with --model") as caught:
        find(anthropic_base_url="https://a.invalid", anthropic_api_key="k")
    assert caught.value.kind == "refused"


@pytest.mark.parametrize("protocol", ["responses", "messages", "chat"])
def test_the_protocol_can_be_chosen(server, protocol):
    assert find(base_url=server.base_url, protocol=protocol).protocol == protocol
    assert find(ports=(port_of(server),), protocol=protocol).protocol == protocol


def test_a_server_that_is_asked_with_a_key_keeps_it_to_itself(server):
    """The key of a named server goes to none that is found, nor into what people read."""
    with Pages({"/v1/models": {"data": [{"id": "m"}]}}) as double:
        found = find(base_url=double.root, api_key="sk-secret")
        assert found.api_key == "sk-secret"
        assert "sk-secret" not in found.why
    assert find(ports=(port_of(server),), api_key="sk-secret").api_key == ""
