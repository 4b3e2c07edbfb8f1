"""Servers behind proxies and own certificates: what is set in the environment counts, except at home."""

import base64
import gzip
import os
import shutil
import ssl
import subprocess
import sys

import pytest

from hob.models.script import Turn
from hob.models.scripted_server import serve
from servers.pages import Pages, words
from servers.proxy_double import ProxyDouble

# Finds the model of a server and asks it one question, as a run does.
SCRIPT = """
import asyncio, sys
from contextlib import aclosing
from hob.core.errors import ModelError
from hob.core.messages import UserMessage
from hob.core.request import Request
from hob.models.discovery import Wishes, discover
from hob.models.openai_chat import OpenAIChat
async def main():
    found = await discover(Wishes(base_url=sys.argv[1], ports=()))
    model = OpenAIChat(base_url=found.base_url, model=found.model)
    async with aclosing(model.stream(Request("s", "", (), (UserMessage("Hi?"),)))) as stream:
        items = [item async for item in stream]
    await model.aclose()
    print(found.model, found.kind, items[-1].message.text)
try:
    asyncio.run(main())
except ModelError as error:
    print(error.kind, error)
"""


def child(base_url, **settings):
    env = {k: v for k, v in os.environ.items() if "PROXY" not in k.upper() and "SSL" not in k}
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, base_url],
        env={**env, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


@pytest.fixture
def server():
    with serve([Turn(text="Hello.")], model="far") as running:
        yield running


def port_of(server):
    return int(server.base_url.split(":")[2].split("/")[0])


@pytest.mark.parametrize("setting", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_far_server_is_listed_and_asked_through_the_proxy(server, setting):
    with ProxyDouble(port_of(server)) as proxy:
        said = child("http://model.test:8000/v1", **{setting: f"http://me:pw@{proxy.address}"})
    assert said == "far openai Hello.\n"
    assert proxy.asked == [
        ("GET", "http://model.test:8000/v1/models"),
        ("POST", "http://model.test:8000/v1/chat/completions"),
    ]
    assert proxy.users == [f"Basic {base64.b64encode(b'me:pw').decode()}"] * 2


def test_no_proxy_is_honoured(server):
    """127.1 is this machine under a name that is not taken for it."""
    port = port_of(server)
    with ProxyDouble(port) as proxy:
        through = f"http://{proxy.address}"
        assert child(f"http://127.1:{port}", HTTP_PROXY=through, NO_PROXY="a.test,127.1") == (
            "far openai Hello.\n"
        )
        assert proxy.asked == []
        assert child(f"http://127.1:{port}", HTTP_PROXY=through) == "far openai Hello.\n"
        assert [method for method, _ in proxy.asked] == ["GET", "POST"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_never_asked_through_a_proxy(server, host):
    with ProxyDouble(port_of(server)) as proxy:
        settings = dict.fromkeys(
            ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), f"http://{proxy.address}"
        )
        assert child(f"http://{host}:{port_of(server)}", **settings) == "far openai Hello.\n"
    assert proxy.asked == []


def test_a_proxy_that_is_not_there_is_no_secret_told():
    said = child("http://model.test:8000", HTTP_PROXY="http://me:secret@127.0.0.1:1")
    assert said.startswith("unreachable model.test:8000 cannot be reached")
    assert "secret" not in said


def test_a_far_list_that_unfolds_is_not_unfolded():
    """A compressed list of 64 MiB is cut off, which is no JSON any more."""
    body = gzip.compress(b'{"data":[{"id":"' + bytes(64 * 1024 * 1024) + b'"}]}')
    with Raw(body) as double:
        said = child(f"http://127.1:{double.port}")
    assert said.startswith("malformed 127.1")


class Raw(Pages):
    """A server whose list is compressed."""

    def __init__(self, body):
        super().__init__({"/v1/models": body})
        self.headers = {"content-encoding": "gzip"}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("certificate")
    made = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=model.test",
    ]
    names = ["-addext", "subjectAltName=DNS:model.test,IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(["openssl", *made, *names, *files], capture_output=True, check=True)
    return folder


class Secure(Pages):
    """A server that speaks TLS."""

    def __init__(self, certificate):
        super().__init__({"/v1/models": {"data": [{"id": "far"}]}})
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")

    def post(self, path, body):
        return 200, words("Hello.")


@pytest.mark.parametrize("trusted", [True, False])
def test_an_own_certificate_is_taken_where_it_is_named(certificate, trusted):
    named = {"SSL_CERT_FILE": str(certificate / "cert.pem")} if trusted else {}
    with Secure(certificate) as double, ProxyDouble(double.port) as proxy:
        through = {"HTTPS_PROXY": f"http://{proxy.address}"}
        far = child("https://model.test/v1", **named, **through)
        assert set(proxy.asked) == {("CONNECT", "model.test:443")}
        here = child(f"https://127.0.0.1:{double.port}/v1", **named)
    if trusted:
        assert (far, here) == ("far openai Hello.\n", "far openai Hello.\n")
    else:
        for said in (far, here):
            assert said.startswith("unreachable ")
            assert "certificate verify failed" in said
