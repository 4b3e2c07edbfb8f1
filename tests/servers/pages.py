"""The floor of the server doubles: pages of JSON over real HTTP on loopback, and what was asked of them."""

import json
import ssl
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self


class Pages:
    """A server with a page of JSON for each path (bytes are sent as they are); POST answers come from `post`.

    `headers` go with each answer; with `tls` it is spoken. `asked` are all (method, path) in order, `bodies`
    and `raw` what was posted. `slow` paths answer after `slow_s`.
    """

    def __init__(self, pages: dict[str, Any] | None = None, slow: tuple[str, ...] = ()) -> None:
        self.pages = pages or {}
        self.slow, self.slow_s = slow, 1.5
        self.headers: dict[str, str] = {}
        self.tls: ssl.SSLContext | None = None
        self.asked: list[tuple[str, str]] = []
        self.bodies: list[dict[str, Any]] = []
        self.raw: list[bytes] = []

    def __enter__(self) -> Self:
        double = self

        class Handler(_Handler):
            owner = double

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if self.tls is not None:
            wrap = self.tls.wrap_socket
            self._server.socket = wrap(self._server.socket, server_side=True)
        self.port = self._server.server_port
        self.root = f"http://127.0.0.1:{self.port}"
        self.base_url = f"{self.root}/v1"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def get(self, path: str) -> tuple[int, Any]:
        """Return status and page of a path."""
        return (200, self.pages[path]) if path in self.pages else (404, {"error": "not found"})

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Return status and answer; a list is a stream of chunks of a chat completion."""
        return 404, {"error": f"no {path}"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: Pages

    def do_GET(self) -> None:
        self.owner.asked.append(("GET", self.path))
        if self.path in self.owner.slow:
            time.sleep(self.owner.slow_s)
        self._answer(*self.owner.get(self.path))

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["content-length"]))
        self.owner.asked.append(("POST", self.path))
        self.owner.raw.append(data)
        self.owner.bodies.append(json.loads(data))
        self._answer(*self.owner.post(self.path, self.owner.bodies[-1]))

    def _answer(self, status: int, value: Any) -> None:
        if isinstance(value, list) and self.command == "POST":
            kind = "text/event-stream"
            chunks = [json.dumps(one).encode() for one in value] + [b"[DONE]"]
            data = b"".join(b"data: %b\n\n" % one for one in chunks) if value else b""
        else:
            kind = "application/json"
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, one in {"content-type": kind, **self.owner.headers}.items():
            self.send_header(name, one)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        try:
            self.wfile.write(data)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def words(text: str, model: str = "m") -> list[dict[str, Any]]:
    """Return the chunks of an answer with these words."""
    about = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": model}
    said = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
    return [
        about | {"choices": [said]},
        about | {"choices": [end]},
        about | {"choices": [], "usage": usage},
    ]
