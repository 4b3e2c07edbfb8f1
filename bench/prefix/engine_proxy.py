"""A server between any agent and the real engine: the engine computes every prompt, a script says the answers.

The weights are random, so the words are not the model's own: the engine is made to *generate* the scripted
answer by a grammar, token by token, and its cache afterwards is what it would be had the model meant it.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from hob.core.compaction import ASK
from hob.models.script import ScriptedCall, Turn
from hob.models.scripted_wire import document, stream

SUMMARY = (
    "Goal: read every part in order and say when all of it is read. Decided: one part at a time, with"
    " cat. Changed: nothing. The parts so far held plain text and no task of their own. Open: the rest."
)


@dataclass
class Row:
    """One request, in tokens: the prompt, what the engine computed of it, what it wrote, what was new."""

    sent: int
    computed: int
    written: int
    appended: int
    rewrote: bool
    summary: bool


class Proxy(ThreadingHTTPServer):
    """Answers `POST …/chat/completions` by the script; everything else goes to the engine as it is."""

    daemon_threads = True

    def __init__(self, root: str, script: Callable[[int], Turn]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root, self.script = root, script
        self.rows: list[Row] = []
        self.overflow: dict[str, Any] | None = None
        self.answers = 0
        self.lock = threading.Lock()
        self._before = ""
        self._seen: set[str] = set()

    @property
    def base_url(self) -> str:
        """Return the address for the agent."""
        return f"http://127.0.0.1:{self.server_port}/v1"

    def ask(self, body: dict[str, Any]) -> tuple[Turn, dict[str, Any]]:
        """Let the engine compute a prompt and write the scripted answer; return it with the token counts."""
        messages, tools = body["messages"], body.get("tools")
        summary = ASK[:40] in json.dumps(messages[-1], ensure_ascii=False)
        turn = Turn(SUMMARY) if summary else self.script(self.answers)
        prompt = self._render(messages, tools)
        # An answer at the end would be taken as one to go on with, so somebody speaks after it.
        told = self._render([*messages, *_spoken(turn)], tools)
        assert told.startswith(prompt), (
            "the template renders an answer otherwise than it is written"
        )
        literal = told[len(prompt) :].split("<|im_end|>")[0]
        asked = {
            "prompt": prompt,
            "n_predict": 400,
            "grammar": f"root ::= {json.dumps(literal)}",
            "logit_bias": self._as_read(literal),
            "temperature": 0,
            "cache_prompt": True,
        }
        reply = post(f"{self.root}/completion", asked)
        timings = reply["timings"]
        sent = timings["prompt_n"] + timings["cache_n"]
        self._note(messages, prompt, sent, timings, summary)
        if not summary:
            self.answers += 1
        return turn, {
            "prompt_tokens": sent,
            "completion_tokens": timings["predicted_n"],
            "total_tokens": sent + timings["predicted_n"],
            "prompt_tokens_details": {"cached_tokens": timings["cache_n"]},
        }

    def _note(
        self,
        messages: list[Any],
        prompt: str,
        sent: int,
        timings: dict[str, Any],
        summary: bool,
    ) -> None:
        extends = prompt.startswith(self._before)
        new = [m for m in messages if _key(m) not in self._seen]
        if not self.rows:
            appended = sent
        elif extends:
            appended = sent - self.rows[-1].sent - self.rows[-1].written
        else:
            appended = sum(map(self._size, new))
        self.rows.append(
            Row(sent, timings["prompt_n"], timings["predicted_n"], appended, not extends, summary)
        )
        self._seen.update(map(_key, messages))
        self._before = prompt.removesuffix("<|im_start|>assistant\n")

    def _as_read(self, text: str) -> list[list[Any]]:
        """Return biases that make the engine write a text in the tokens in which it would read it."""
        asked = {"content": text, "parse_special": True, "with_pieces": True}
        pieces = post(f"{self.root}/tokenize", asked)["tokens"]
        # Each token once: the engine adds up what it is told twice.
        return [
            [key, 20.0 * size]
            for key, size in {one["id"]: len(one["piece"]) for one in pieces}.items()
        ]

    def _size(self, message: dict[str, Any]) -> int:
        said = f"{message.get('content') or ''}{json.dumps(message.get('tool_calls') or '')}"
        return len(post(f"{self.root}/tokenize", {"content": said})["tokens"]) + 5

    def _render(self, messages: list[Any], tools: Any) -> str:
        body = {"messages": messages}
        return post(f"{self.root}/apply-template", body | ({"tools": tools} if tools else {}))[
            "prompt"
        ]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def do_GET(self) -> None:
        try:
            with urlopen(f"{self.server.root}{self.path}", timeout=60) as reply:
                self._send(reply.status, reply.read())
        except HTTPError as error:
            self._send(error.code, error.read())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.lock:
            try:
                turn, usage = self.server.ask(body)
            except HTTPError as error:
                said = error.read()
                self.server.overflow = json.loads(said)
                self._send(error.code, said)
                return
        if body.get("stream"):
            self._send(200, b"".join(stream(turn, usage)), "text/event-stream")
        else:
            self._send(200, document(turn, usage))

    def _send(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a JSON request."""
    sent = Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urlopen(sent, timeout=300) as reply:
        return json.load(reply)


def command(text: str, said: str) -> Turn:
    """Return a turn that runs a command."""
    return Turn(said, calls=(ScriptedCall("bash", {"command": text}),))


def _spoken(turn: Turn) -> list[dict[str, Any]]:
    message: dict[str, Any] = {"role": "assistant", "content": turn.text}
    if turn.calls:
        message["tool_calls"] = [
            {
                "id": f"call_{n}",
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments_text},
            }
            for n, call in enumerate(turn.calls)
        ]
        return [
            message,
            *(
                {"role": "tool", "tool_call_id": f"call_{n}", "content": ""}
                for n in range(len(turn.calls))
            ),
        ]
    return [message, {"role": "user", "content": "."}]


def _key(message: dict[str, Any]) -> str:
    return json.dumps(message, sort_keys=True)
