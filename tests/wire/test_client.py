"""A client that the environment makes impossible is refused in one sentence, without its secrets."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
from hob.core.errors import ModelError
from hob.models.exchange import make_client
try:
    make_client("https://models.example/v1", "sk-key", 1.0)
except ModelError as error:
    assert error.__suppress_context__
    print(error.kind, error)
"""


def made(setting: str, value: str) -> str:
    env = {k: v for k, v in os.environ.items() if "PROXY" not in k.upper() and "SSL" not in k}
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**env, setting: value},
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("HTTPS_PROXY", "socks5://me:secret@127.0.0.1:1"),
        ("HTTPS_PROXY", "http://[::secret"),
        ("ALL_PROXY", "ftp://secret"),
        ("HTTP_PROXY", "http://me:secret@host:x"),
    ],
)
def test_a_proxy_setting_that_is_no_use(setting: str, value: str):
    assert made(setting, value) == (
        "refused A proxy setting in the environment (HTTPS_PROXY, HTTP_PROXY or ALL_PROXY) cannot "
        "be used; write it like http://proxy:3128 or unset it.\n"
    )


def test_a_certificate_setting_that_is_no_use():
    assert "refused The certificates that SSL_CERT_FILE" in made("SSL_CERT_FILE", "/none/secret")


def test_a_proxy_setting_that_is_fine():
    assert made("HTTPS_PROXY", "http://me:secret@127.0.0.1:1") == ""
