"""Doubles of model servers that say little or lie: over HTTP, counting words as tokens."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx2


class Double:
    """How a double behaves. `behind` forwards completions to a real server; `looks` are other answers by path."""

    def __init__(
        self,
        *,
        behind: str = "",
        usage: bool = True,
        window: int = 0,
        least: int = 1,
        text: str = "",
        looks: dict[str, Any] | None = None,
    ) -> None:
        self.behind, self.usage, self.window, self.least = behind, usage, window, least
        self.text, self.looks = text, looks or {}
        self.base_url = ""
        self.asked = 0

    def complete(self, body: dict[str, Any]) -> tuple[int, bytes, str]:
        """Return status, body and type of an answer."""
        self.asked += 1
        if self.behind:
            got = httpx2.post(f"{self.behind}/chat/completions", json=body, timeout=30)
            return got.status_code, got.content, got.headers["content-type"]
        if body.get("max_tokens", 99) < self.least:
            error = {"error": {"message": f"max_tokens must be at least {self.least}"}}
            return 400, json.dumps(error).encode(), "application/json"
        counted = len(json.dumps([body["messages"], body.get("tools")]).split())
        if self.window:
            counted = min(counted, self.window)  # the rest is cut, and nobody is told
        answer: dict[str, Any] = {"id": "x", "model": body["model"], "object": "chat.completion"}
        if self.usage:
            answer["usage"] = {"prompt_tokens": counted, "completion_tokens": 1}
        message = {"role": "assistant", "content": self.text or "Yes"}
        if not body.get("stream"):
            answer["choices"] = [{"index": 0, "message": message, "finish_reason": "length"}]
            return 200, json.dumps(answer).encode(), "application/json"
        answer["choices"] = [{"index": 0, "delta": message, "finish_reason": "stop"}]
        return 200, f"data: {json.dumps(answer)}\n\ndata: [DONE]\n\n".encode(), "text/event-stream"


@contextmanager
def serving(double: Double) -> Iterator[Double]:
    """Serve a double while the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            self._send(*self._look())

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            chat = self.path == "/v1/chat/completions"
            self._send(*(double.complete(body) if chat else self._look()))

        def _look(self) -> tuple[int, bytes, str]:
            found = double.looks.get(self.path)
            status = 404 if found is None else 200
            return status, json.dumps(found or {"error": "Not Found"}).encode(), "application/json"

        def _send(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    double.base_url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield double
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
