"""What a server offers: `GET …/models` over a bare socket, so that looking around costs no library."""

import asyncio
import ssl
from urllib.parse import urlsplit

from hob.core.errors import ModelError
from hob.models.address import host_and_port, server_name
from hob.models.failures import from_status, quote
from hob.models.json_text import NOT_JSON, loads

_MAX_BYTES = 4 * 1024 * 1024


async def list_models(base_url: str, api_key: str = "", limit_s: float = 5.0) -> list[str]:
    """Return the names that a server gives its models, in its order.

    `base_url` is normalised; `limit_s` (seconds) covers the whole exchange. Raises `ModelError`.
    """
    server = server_name(base_url)
    try:
        async with asyncio.timeout(limit_s):
            status, headers, body = await _get(f"{base_url}/models", api_key)
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
        raise from_status(server, status, headers, body, api_key)
    try:
        cards = loads(body)["data"]
        return [card["id"] for card in cards if isinstance(card["id"], str)]
    except (*NOT_JSON, KeyError, TypeError):
        text = f"{server} lists no models at {base_url}/models; check the base URL."
        raise ModelError("malformed", text) from None


async def _get(url: str, api_key: str) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(url)
    host, port = host_and_port(url)
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    lines = [f"GET {parts.path} HTTP/1.0", f"Host: {parts.netloc.rpartition('@')[2]}"]
    lines += ["Accept: application/json", "Accept-Encoding: identity", "User-Agent: hob"]
    lines.append("Connection: close")
    if api_key:
        lines.append(f"Authorization: Bearer {api_key}")
    reader, writer = await asyncio.open_connection(host, port, ssl=tls)
    try:
        writer.write("\r\n".join((*lines, "", "")).encode())
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
