"""The doctor's line to a server: small JSON requests, counted, each with a time limit."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

import msgspec
from msgspec import Struct

from hob.core.errors import ModelError
from hob.models.address import server_name
from hob.models.exchange import Exchange, make_client
from hob.models.json_text import NOT_JSON, loads
from hob.models.usage import read_usage

Json = dict[str, Any]
Messages = Sequence[Json]
_LOOK_S = 10.0


class Measure(Struct, frozen=True):
    """What one one-token request told. Tokens are None where the server did not count."""

    tokens: int | None = None
    cached: int | None = None
    seconds: float = 0.0
    error: ModelError | None = None


class Wire:
    """One model on one server. `requests` counts completions, `looks` everything else."""

    def __init__(self, base_url: str, model: str, api_key: str, limit_s: float) -> None:
        self.base_url = base_url
        self.model = model
        self.server = server_name(base_url)
        self.requests = 0
        self.looks = 0
        self._api_key = api_key
        self._limit_s = limit_s
        self._client = make_client(base_url, api_key, min(limit_s, 10.0))
        # Some servers refuse to be cut at one token, some know the limit under its newer name only.
        self._cap: Json = {"max_tokens": 1}

    @property
    def cap(self) -> Json:
        """Return the field that keeps an answer to one token, as this server takes it."""
        return self._cap

    def use_cap(self, cap: Json) -> None:
        """Keep answers short in another way from now on."""
        self._cap = cap

    async def ask(self, messages: Messages, tools: Sequence[Json] = ()) -> Measure:
        """Send a one-token request and return what it told; a failure is a part of it, never raised."""
        self.requests += 1
        body: Json = {"model": self.model, "messages": list(messages), "stream": False, **self._cap}
        if tools:
            body["tools"] = list(tools)
        started = time.monotonic()
        try:
            answer = await self._exchange("POST", f"{self.base_url}/chat/completions", body)
        except ModelError as error:
            return Measure(seconds=time.monotonic() - started, error=error)
        usage, _, _ = read_usage(answer.get("usage"), answer.get("timings"))
        return Measure(usage.prompt_tokens, usage.cached_tokens, time.monotonic() - started)

    async def look(self, path: str, body: Json | None = None) -> Json | None:
        """Return what an endpoint beside `/v1` answers, None if it is not there or not usable."""
        self.looks += 1
        parts = urlsplit(self.base_url)
        root = parts.path.removesuffix("/v1")
        url = urlunsplit((parts.scheme, parts.netloc, root + path, "", ""))
        try:
            async with asyncio.timeout(_LOOK_S):
                return await self._exchange("GET" if body is None else "POST", url, body)
        except (ModelError, TimeoutError):
            return None

    async def aclose(self) -> None:
        """Let connections go."""
        await self._client.aclose()

    async def _exchange(self, method: str, url: str, body: Json | None) -> Json:
        """Send and read one JSON object. Raises `ModelError`."""
        content = b"" if body is None else msgspec.json.encode(body)
        headers = {"Accept": "application/json"}
        request = self._client.build_request(method, url, content=content, headers=headers)
        exchange = Exchange(self._client, request, self.server, self._api_key)
        answer = bytearray()
        try:
            async with asyncio.timeout(self._limit_s):
                piece = await exchange.begin(exchange.open())
                while piece is not None:
                    answer += piece
                    piece = await exchange.begin(exchange.read())
        except TimeoutError:
            text = f"{self.server} did not answer within {self._limit_s:.0f} s."
            raise ModelError("timeout", text) from None
        finally:
            await exchange.close()
        return self._object(bytes(answer))

    def _object(self, answer: bytes) -> Json:
        try:
            value = loads(answer)
        except NOT_JSON:
            value = None
        if not isinstance(value, dict):
            text = f"{self.server} answered something that is no JSON object; check the base URL."
            raise ModelError("malformed", text)
        return cast("Json", value)
