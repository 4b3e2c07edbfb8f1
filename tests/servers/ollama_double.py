"""A server that behaves like Ollama, its traps included: a small default window, cuts in silence, reloads."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self

SECOND_NS = 1_000_000_000


@dataclass
class Card:
    """A model on its disk."""

    name: str = "qwen3:8b"
    trained: int = 40_960
    capabilities: tuple[str, ...] = ("completion", "tools")
    num_ctx: int | None = None
    size: int = 5_200_000_000


@dataclass
class Says:
    """One answer."""

    content: str = ""
    thinking: str = ""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    done_reason: str = "stop"
    error: str = ""
    stops_after: int | None = None  # lines, then the connection is closed


@dataclass
class OllamaDouble:
    """Four characters are a token. `loads` are all (model, window) that were loaded, `asked` all chat bodies."""

    cards: Sequence[Card] = field(default_factory=lambda: [Card()])
    answers: list[Says] = field(default_factory=list)
    default_window: int = 4096
    largest_window: int = 10**9  # what its memory allows; it says nothing when it gives less
    always_cuts: bool = False  # an old version, that knows nothing of `truncate`
    version: str = "0.15.6"
    loads: list[tuple[str, int]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def __enter__(self) -> Self:
        double = self

        class Handler(_Handler):
            owner = double

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.root = f"http://127.0.0.1:{self.port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def card(self, name: str) -> Card | None:
        return next(
            (c for c in self.cards if name in (c.name, c.name.removesuffix(":latest"))), None
        )

    def load(self, card: Card, window: int) -> bool:
        """Load a model if it is not there with this window; tell whether that was needed."""
        if self.loads and self.loads[-1] == (card.name, window):
            return False
        self.loads.append((card.name, window))
        return True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: OllamaDouble

    def do_GET(self) -> None:
        owner = self.owner
        loaded = owner.loads[-1:]
        answers = {
            "/api/version": {"version": owner.version},
            "/api/tags": {
                "models": [
                    {"name": c.name, "model": c.name, "size": c.size, "digest": "sha256:1f"}
                    for c in owner.cards
                ]
            },
            "/api/ps": {
                "models": [
                    {"name": n, "model": n, "context_length": w, "size_vram": 1, "size": 2}
                    for n, w in loaded
                ]
            },
            "/v1/models": {
                "object": "list",
                "data": [
                    {"id": c.name, "object": "model", "owned_by": "library"} for c in owner.cards
                ],
            },
        }
        found = answers.get(self.path)
        self._json(200 if found else 404, found or {"error": "not found"})

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["content-length"]))
        body = json.loads(data)
        card = self.owner.card(body.get("model", ""))
        if card is None:
            self._json(404, {"error": f"model {body.get('model')!r} not found"})
        elif self.path == "/api/show":
            self._json(200, _shown(card))
        elif self.path == "/api/chat":
            self.owner.asked.append(body)
            self.owner.bodies.append(data)
            self._chat(card, body)
        else:
            self._json(404, {"error": "not found"})

    def _chat(self, card: Card, body: dict[str, Any]) -> None:
        owner, options = self.owner, body.get("options", {})
        if body.get("tools") and "tools" not in card.capabilities:
            self._json(400, {"error": f"{card.name} does not support tools"})
            return
        window = options.get("num_ctx") or card.num_ctx or owner.default_window
        window = min(window, card.trained, owner.largest_window)
        fresh = owner.load(card, window)
        read = len(json.dumps(body["messages"])) // 4 + len(json.dumps(body.get("tools", ""))) // 4
        if read > window:
            if body.get("truncate") is False and not owner.always_cuts:
                self._json(400, {"error": "the input length exceeds the context length"})
                return
            read = window // 2 + 2
        says = owner.answers.pop(0) if owner.answers else Says("Done.")
        lines = _lines(card.name, says, read, fresh)
        self._stream(lines if says.stops_after is None else lines[: says.stops_after])

    def _stream(self, lines: list[dict[str, Any]]) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/x-ndjson")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for line in lines:
            data = json.dumps(line).encode() + b"\n"
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.write(b"0\r\n\r\n")

    def _json(self, status: int, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _shown(card: Card) -> dict[str, Any]:
    parameters = f"num_ctx                        {card.num_ctx}\n" if card.num_ctx else ""
    return {
        "parameters": parameters + 'stop                           "<|im_end|>"',
        "template": "{{ if .Tools }}…{{ end }}",
        "details": {"family": "qwen3", "parameter_size": "8.2B", "quantization_level": "Q4_K_M"},
        "model_info": {
            "general.architecture": "qwen3",
            "qwen3.context_length": card.trained,
            "qwen3.embedding_length": 4096,
        },
        "capabilities": list(card.capabilities),
    }


def _lines(model: str, says: Says, read: int, fresh: bool) -> list[dict[str, Any]]:
    def line(message: dict[str, Any], **more: Any) -> dict[str, Any]:
        at = "2026-11-24T20:00:00.000000Z"
        said = {"role": "assistant", "content": "", **message}
        return {"model": model, "created_at": at, "message": said, "done": False, **more}

    lines = [line({"thinking": piece}) for piece in _pieces(says.thinking)]
    lines += [line({"content": piece}) for piece in _pieces(says.content)]
    for name, arguments in says.calls:
        lines.append(line({"tool_calls": [{"function": {"name": name, "arguments": arguments}}]}))
    if says.error:
        return [*lines, {"error": says.error}]
    counts = {
        "total_duration": 3 * SECOND_NS,
        "load_duration": 2 * SECOND_NS if fresh else 20_000_000,
        "prompt_eval_count": read,
        "prompt_eval_duration": SECOND_NS // 2,
        "eval_count": 12,
        "eval_duration": SECOND_NS // 4,
    }
    return [*lines, line({}, done=True, done_reason=says.done_reason, **counts) | {"done": True}]


def _pieces(text: str) -> list[str]:
    return [text[at : at + 9] for at in range(0, len(text), 9)]
