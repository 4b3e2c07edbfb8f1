"""JSON from a model server, over a bare socket where it is at home: looking around costs no library."""

import asyncio
import ssl
from collections.abc import Mapping
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import msgspec

from hob.core.errors import ModelError
from hob.models.address import host_and_port, is_loopback, server_name
from hob.models.failures import from_status, quote
from hob.models.json_text import NOT_JSON, loads

_MAX_BYTES = 4 * 1024 * 1024


async def get_json(
    url: str, api_key: str = "", limit_s: float = 5.0, body: Mapping[str, Any] | None = None
) -> Any:
    """Return the JSON behind a URL; with a `body` it is sent by POST.

    `limit_s` (seconds) covers the whole exchange. Raises `ModelError`. On this machine a bare socket
    does it; elsewhere the client that honours proxies and certificates (HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE).
    """
    server = server_name(url)
    content = None if body is None else msgspec.json.encode(body)
    ask = _ask if is_loopback(url) else _ask_far
    try:
        async with asyncio.timeout(limit_s):
            status, headers, said = await ask(url, api_key, content)
    except TimeoutError:
        text = f"{server} did not list its models within {limit_s:.0f} s; look whether it works."
        raise ModelError("timeout", text) from None
    except (OSError, ValueError, asyncio.IncompleteReadError) as error:
        raise ModelError(
            "unreachable",
            f"{server} cannot be reached ({quote(str(error)) or type(error).__name__}); "
            "start the model server or correct its base URL.",
        ) from error
    if status != 200:
        raise from_status(server, status, headers, said, api_key)
    try:
        return loads(said)
    except NOT_JSON:
        text = f"{server} lists no models at {url}; check the base URL."
        raise ModelError("malformed", text) from None


async def _ask_far(
    url: str, api_key: str, content: bytes | None
) -> tuple[int, Mapping[str, str], bytes]:
    # The client costs 100 ms to import, and most models are at home.
    return await import_module("hob.models.exchange").fetch(url, api_key, content, _MAX_BYTES)


async def _ask(url: str, api_key: str, content: bytes | None) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(url)
    host, port = host_and_port(url)
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    lines = [f"{'GET' if content is None else 'POST'} {target} HTTP/1.0"]
    lines.append(f"Host: {parts.netloc.rpartition('@')[2]}")
    lines += ["Accept: application/json", "Accept-Encoding: identity", "User-Agent: hob"]
    lines.append("Connection: close")
    if content is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    if api_key:
        lines.append(f"Authorization: Bearer {api_key}")
    reader, writer = await asyncio.open_connection(host, port, ssl=tls)
    try:
        writer.write("\r\n".join((*lines, "", "")).encode() + (content or b""))
        status, headers = _head(await reader.readuntil(b"\r\n\r\n"))
        return status, headers, await _body(reader, headers)
    except asyncio.LimitOverrunError as error:
        raise ValueError("no HTTP response") from error
    finally:
        writer.transport.abort()


def _head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *rest = head.decode("latin-1").split("\r\n")
    version, _, status = first.partition(" ")
    if not version.startswith("HTTP/") or not status[:3].isdecimal():
        raise ValueError("no HTTP response")
    pairs = (line.partition(":") for line in rest if line)
    return int(status[:3]), {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    """Read to the end that the head announces; some servers chunk for HTTP/1.0 clients too."""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = bytearray()
        while len(body) < _MAX_BYTES:
            size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
            if size == 0:
                break
            body += await reader.readexactly(min(size, _MAX_BYTES))
            await reader.readuntil(b"\r\n")
        return bytes(body)
    length = headers.get("content-length", "")
    if length.isdecimal():
        return await reader.readexactly(min(int(length), _MAX_BYTES))
    body = bytearray()
    while len(body) < _MAX_BYTES and (piece := await reader.read(65536)):
        body += piece
    return bytes(body)
