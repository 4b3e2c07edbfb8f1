"""What a server is doing while it says nothing: loading a model, or how far it has read the prompt.

Asked only when the person has waited for some seconds, on connections of its own, with a short limit,
and never of the clouds. Whatever a server does not offer is silently not asked for again.

    llama.cpp   GET /health 503 while loading · GET /slots, tokens of the prompt read so far
    Ollama      GET /api/ps, the models in memory
    LM Studio   GET /api/v0/models, with a state for each
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from ipaddress import ip_address
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import httpx2
from msgspec import Struct

from hob.core.errors import ModelError
from hob.core.request import Request
from hob.core.tokens import estimate_head, estimate_message
from hob.models.address import is_loopback
from hob.models.failures import quote
from hob.models.json_text import NOT_JSON, loads

_MAX_BYTES = 1024 * 1024
_LEAST_SEEN_S = 1.0
_NOT_OFFERED = (400, 401, 403, 404, 405, 501)


class Sight(Struct, frozen=True):
    """What was seen: the phase, words that follow the server's name, and tokens read so far."""

    phase: Literal["load", "prefill"]
    words: str
    done: int = 0


Progress = Callable[[], Awaitable[Sight | None]]


def is_at_home(base_url: str) -> bool:
    """Say whether a server is on this machine or in a private network, so that it may be asked."""
    if is_loopback(base_url):
        return True
    host = urlsplit(base_url).hostname or ""
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".lan", ".internal"))


def progress_of(
    base_url: str, model: str, make: Callable[[], httpx2.AsyncClient], request: Request
) -> Progress | None:
    """Return how to ask a server of ours what it does with a request, None if it is not ours to ask.

    `make` makes a client for one look.
    """
    return ServerProgress(base_url, model, make, request) if is_at_home(base_url) else None


class ServerProgress:
    """Asks one server what it does with one request. Call it; it never raises but cancellation."""

    def __init__(
        self, base_url: str, model: str, make: Callable[[], httpx2.AsyncClient], request: Request
    ) -> None:
        parts = urlsplit(base_url)
        self._root = f"{parts.scheme}://{parts.netloc}"
        self._model = model
        self._make = make
        self._request = request
        self._routes: dict[str, Callable[[int, Any], Sight | None]] = {
            "/health": self._health,
            "/slots": self._slots,
            "/api/ps": self._ollama,
            "/api/v0/models": self._lm_studio,
        }
        self._first: tuple[float, int] | None = None

    async def __call__(self) -> Sight | None:
        """Return what is seen now, None if the server does not say."""
        try:
            async with self._make() as client:
                return await self._ask(client)
        except (httpx2.HTTPError, httpx2.StreamError, OSError, ValueError, ModelError):
            return None

    async def _ask(self, client: httpx2.AsyncClient) -> Sight | None:
        for route, read in list(self._routes.items()):
            status, document = await _get(client, self._root + route)
            if status in _NOT_OFFERED:
                del self._routes[route]
            elif sight := read(status, document):
                return sight
        return None

    def _health(self, status: int, document: Any) -> Sight | None:
        return self._loading() if status == 503 else None

    def _slots(self, status: int, document: Any) -> Sight | None:
        """Return how far the only busy slot is; with several nobody knows which is ours.

        Its `n_prompt_tokens` are those taken up so far and grow with it, so the whole is estimated.
        """
        busy = [slot for slot in _objects(document) if slot.get("is_processing") is True]
        if len(busy) != 1 or any(
            _number(n.get("n_decoded")) for n in _objects(busy[0].get("next_token"))
        ):
            return None
        read = [_number(busy[0].get(f"n_prompt_tokens_{name}")) for name in ("processed", "cache")]
        done, least = sum(read), _number(busy[0].get("n_prompt_tokens"))
        if not done:
            return Sight("prefill", "is reading the prompt")
        words = f"is reading the prompt: {done:,}"
        total = self._expected()
        if total < max(done, least):
            return Sight("prefill", f"{words} tokens so far", done)
        words += f" of about {total:,} tokens ({100 * done // total} %)"
        return Sight("prefill", words + self._left(done, total), done)

    def _expected(self) -> int:
        """Return about how many tokens the whole prompt is."""
        request = self._request
        head = estimate_head(request.instructions, request.tools)
        return head + sum(map(estimate_message, request.messages))

    def _left(self, done: int, total: int) -> str:
        """Return the time left, judged by the speed since the first look."""
        now = asyncio.get_running_loop().time()
        if self._first is None or done < self._first[1]:
            self._first = now, done
        since_s, before = now - self._first[0], self._first[1]
        if since_s < _LEAST_SEEN_S or done <= before:
            return ""
        return f", about {_duration((total - done) * since_s / (done - before))} left"

    def _ollama(self, status: int, document: Any) -> Sight | None:
        if not isinstance(document, dict) or "models" not in document:
            return None
        held = {
            str(model.get(key)).removesuffix(":latest")
            for model in _objects(cast("dict[str, Any]", document)["models"])
            for key in ("name", "model")
        }
        return None if self._model.removesuffix(":latest") in held else self._loading()

    def _lm_studio(self, status: int, document: Any) -> Sight | None:
        if not isinstance(document, dict):
            return None
        models = _objects(cast("dict[str, Any]", document).get("data"))
        states = {model.get("id"): model.get("state") for model in models}
        state = states.get(self._model)
        return self._loading() if state in ("not-loaded", "loading") else None

    def _loading(self) -> Sight:
        return Sight("load", f"is loading {quote(self._model)!r}")


async def _get(client: httpx2.AsyncClient, url: str) -> tuple[int, Any]:
    """Return status and JSON of a page, None for what is too large or no JSON."""
    response = await client.send(client.build_request("GET", url), stream=True)
    body = bytearray()
    async with aclosing(response), aclosing(response.aiter_raw()) as pieces:
        while len(body) <= _MAX_BYTES and (piece := await anext(pieces, None)) is not None:
            body += piece
    try:
        return response.status_code, loads(bytes(body))
    except NOT_JSON:
        return response.status_code, None


def _objects(value: object) -> list[Mapping[str, Any]]:
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", item) for item in items if isinstance(item, dict)]


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
