"""One request and its answer over httpx2. What the wire does wrong leaves here as `ModelError`."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import aclosing
from typing import Any

import httpx2

from hob.core.errors import ModelError
from hob.models.address import is_loopback, server_name
from hob.models.failures import from_status, quote, says_loading
from hob.models.loopback import KEEP_ALIVE_S, LoopbackTransport

MAX_ANSWER_BYTES = 256 * 1024 * 1024
_MAX_ERROR_BYTES = 64 * 1024
_ERROR_BODY_S = 10.0
# Between two tries while the server loads its model.
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 4.0
_BAD_PROXY = (
    "A proxy setting in the environment (HTTPS_PROXY, HTTP_PROXY or ALL_PROXY) cannot be used; "
    "write it like http://proxy:3128 or unset it."
)
_BAD_CERTIFICATES = (
    "The certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read; "
    "correct the setting in the environment or unset it."
)
# httpx2 reports some failures (bad host names, closed loops, TLS) with Python's own exceptions.
_WIRE_FAILURES = (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError, ValueError)


def make_client(
    base_url: str,
    api_key: str,
    connect_s: float | None,
    own_headers: Mapping[str, str] | None = None,
) -> httpx2.AsyncClient:
    """Return the one client of an adapter; `own_headers` go in place of the bearer header.

    On this machine proxies are bypassed, and without TLS no certificates are loaded (20 to 80 ms).
    Answers must come uncompressed: nothing can then unfold in memory. Raises `ModelError` (auth) for
    a key that no header can carry; its text would show the key if the library raised it. Raises
    `ModelError` (refused) for a proxy or certificate setting of the environment that is no use.
    """
    api_key = api_key.strip()
    if not (api_key.isascii() and api_key.isprintable()):
        raise ModelError(
            "auth",
            f"The API key for {server_name(base_url)} holds characters that no header can carry; "
            "set it again.",
        )
    headers = _headers(api_key, own_headers)
    timeout = httpx2.Timeout(None, connect=connect_s)
    plain = base_url.startswith("http://")
    if plain and is_loopback(base_url):
        return httpx2.AsyncClient(
            headers=headers,
            timeout=timeout,
            transport=LoopbackTransport(connect_s),
            trust_env=False,
        )
    try:
        return httpx2.AsyncClient(
            headers=headers,
            timeout=timeout,
            verify=_trust(plain, is_loopback(base_url)),
            limits=httpx2.Limits(keepalive_expiry=KEEP_ALIVE_S),
            trust_env=not is_loopback(base_url),
        )
    except OSError:
        raise ModelError("refused", _BAD_CERTIFICATES) from None
    except (ImportError, httpx2.InvalidURL, ValueError):
        # Neither the error nor the setting may be shown: a proxy's address can hold a password.
        raise ModelError("refused", _BAD_PROXY) from None


async def fetch(
    url: str, api_key: str, content: bytes | None, max_bytes: int
) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of a small answer, of which no more than about `max_bytes` are read.

    Raises `OSError`, and `ModelError` for a bad setting.
    """
    client = make_client(url, api_key, None)
    try:
        method = "GET" if content is None else "POST"
        request = client.build_request(method, url, content=content)
        answer = await client.send(request, stream=True)
        body = bytearray()
        async with aclosing(answer), aclosing(answer.aiter_bytes()) as pieces:
            while len(body) < max_bytes and (piece := await anext(pieces, None)) is not None:
                body += piece
        return answer.status_code, dict(answer.headers), bytes(body[:max_bytes])
    except _WIRE_FAILURES as error:
        raise OSError(_reason(error)) from error
    finally:
        await client.aclose()


def _trust(plain: bool, at_home: bool) -> ssl.SSLContext | bool:
    """Return which certificates count. At home the client is told of no proxies, and so of no SSL_CERT_FILE."""
    if plain:
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return ssl.create_default_context() if at_home else True


def _headers(api_key: str, own_headers: Mapping[str, str] | None) -> dict[str, str]:
    headers = {
        "User-Agent": "hob",
        "Accept": "text/event-stream, application/json",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
    }
    if own_headers is not None:
        headers.update(own_headers)
    elif api_key:
        headers["Authorization"] = f"Bearer {api_key}"
    return headers


class Exchange:
    """One request on its way. `begin` steps as tasks while waiting, or await `read` directly."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        request: httpx2.Request,
        server: str,
        secret: str = "",
    ) -> None:
        self._client = client
        self._request = request
        self._server = server
        self._secret = secret
        self._response: httpx2.Response | None = None
        self._pieces: AsyncGenerator[bytes] | None = None
        self._job: asyncio.Task[Any] | None = None
        self._bytes = 0

    @property
    def content_type(self) -> str:
        """Return the answer's declared type, in lower case."""
        if self._response is None:
            return ""
        return self._response.headers.get("content-type", "").lower()

    def begin(self, step: Coroutine[Any, Any, bytes | None]) -> asyncio.Task[bytes | None]:
        """Run a step as a task that `close` will clean up."""
        self._job = asyncio.ensure_future(step)
        return self._job

    async def open(self, loading: Callable[[], None] | None = None) -> bytes | None:
        """Send the request and return the first piece of the answer, None if it has none.

        While the server answers that it loads the model, `loading` is told and the request sent
        again after a pause; whatever it raises ends the wait.
        """
        pause_s = _FIRST_PAUSE_S
        while not await self._opens(loading):
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        assert self._response is not None
        self._pieces = self._response.aiter_raw()
        return await self.read()

    async def _opens(self, loading: Callable[[], None] | None) -> bool:
        """Send the request; False if the server still loads the model. Raises `ModelError`."""
        try:
            response = await self._client.send(self._request, stream=True)
        except _WIRE_FAILURES as error:
            raise self._unreachable(error) from error
        self._response = response
        status = response.status_code
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if status != 200:
            body = b"" if encoding != "identity" else await self._error_body(response)
            if loading is not None and says_loading(status, body):
                await response.aclose()
                loading()
                return False
            raise from_status(self._server, status, response.headers, body, self._secret)
        if encoding not in ("identity", ""):
            raise ModelError(
                "malformed",
                f"{self._server} sent a compressed answer ({quote(encoding)}) although none was "
                "asked for; switch compression off there or in the proxy before it.",
            )
        return True

    async def read(self) -> bytes | None:
        """Return the next piece, None at the end. Raises `ModelError` (cut)."""
        assert self._pieces is not None
        try:
            piece = await anext(self._pieces, None)
        except _WIRE_FAILURES as error:
            raise ModelError(
                "cut",
                f"{self._server} broke the connection off in the middle of its answer; "
                "it may have crashed, so look at its log and ask again.",
            ) from error
        if piece is not None:
            self._bytes += len(piece)
            if self._bytes > MAX_ANSWER_BYTES:
                raise ModelError(
                    "malformed",
                    f"{self._server} sent more than {MAX_ANSWER_BYTES} bytes; "
                    "check that it is a model server.",
                )
        return piece

    async def close(self) -> None:
        """Keep the connection if the answer was read to its end, else drop it."""
        job = self._job
        if job is not None:
            if not job.done():
                job.cancel()
                await asyncio.wait({job})
            if not job.cancelled():
                job.exception()  # whoever left early does not want to hear of it
        if self._pieces is not None:
            await self._pieces.aclose()
        if self._response is not None:
            await self._response.aclose()

    async def _error_body(self, response: httpx2.Response) -> bytes:
        """Return the start of an error's body, or what came of it before something else broke."""
        body = bytearray()
        try:
            async with asyncio.timeout(_ERROR_BODY_S), aclosing(response.aiter_raw()) as pieces:
                while len(body) < _MAX_ERROR_BYTES and (piece := await anext(pieces, None)):
                    body += piece
        except (*_WIRE_FAILURES, TimeoutError):
            pass
        return bytes(body[:_MAX_ERROR_BYTES])

    def _unreachable(self, error: Exception) -> ModelError:
        reason = _reason(error)
        if isinstance(error, httpx2.LocalProtocolError | httpx2.InvalidURL):
            return ModelError(
                "refused",
                f"The request to {self._server} cannot be sent ({reason}); check the base URL.",
            )
        if isinstance(error, httpx2.RemoteProtocolError) and "disconnected" not in str(error):
            return ModelError(
                "malformed",
                f"{self._server} does not speak HTTP ({reason}); check the base URL and the port.",
            )
        if isinstance(error, httpx2.RemoteProtocolError | httpx2.ReadError | httpx2.WriteError):
            return ModelError(
                "unreachable",
                f"{self._server} closed the connection before the first token: it took the request "
                "and then stopped or crashed; look at its log.",
            )
        if isinstance(error, httpx2.ConnectTimeout):
            return ModelError(
                "unreachable",
                f"{self._server} did not take the connection in time; "
                "start the model server or give its address with --base-url.",
            )
        return ModelError(
            "unreachable",
            f"{self._server} cannot be reached ({reason}); "
            "start the model server or give its address with --base-url.",
        )


def _reason(error: Exception) -> str:
    if isinstance(error.__cause__, ConnectionRefusedError):
        return "nothing listens on this port"
    return quote(str(error)) or type(error).__name__
