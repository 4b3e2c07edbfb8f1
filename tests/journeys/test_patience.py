"""What a person reads when a model server loads, is slow, dies or hangs; docs/servers.md quotes it."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import msgspec
import pytest

from hob.models.scripted import Turn, serve
from hob.models.scripted_wire import chunk
from journeys.face import Shell

DOCS = (Path(__file__).parents[2] / "docs" / "servers.md").read_text(encoding="utf-8")
DONE = chunk({"delta": {"content": "Done."}}) + chunk({"delta": {}, "finish_reason": "stop"})


@pytest.fixture
def shell(tmp_path):
    return Shell(tmp_path)


def read_by(shell, base_url, **settings) -> tuple[int, str]:
    """Run a task and return the exit code and what stands on stderr, with the server as documented."""
    shell.environment |= settings
    done = shell.run(base_url, "Say that you are done.", "--yolo")
    name = base_url.removeprefix("http://").removesuffix("/v1")
    return done.returncode, done.stderr.replace(name, "127.0.0.1:8080")


def in_docs(words: str) -> bool:
    """Say whether the page quotes these words, whatever the numbers and the line breaks."""

    def plain(text: str) -> str:
        return re.sub(r"[\d,.]*\d", "N", " ".join(text.replace("\n> ", " ").split()))

    return plain(words) in plain(DOCS)


@contextmanager
def reading_server(reads_s: float) -> Iterator[str]:
    """A llama.cpp that reads the prompt for some seconds and tells how far it is."""
    over = Event()
    done = iter(range(400, 10**6, 400))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/slots":
                return self.answer(404, b"{}")
            count = next(done)
            slot = {"is_processing": True, "n_prompt_tokens": count + 64}
            slot |= {"n_prompt_tokens_processed": count, "n_prompt_tokens_cache": 0}
            return self.answer(200, msgspec.json.encode([slot]))

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            over.wait(reads_s)
            self.answer(200, DONE + b"data: [DONE]\n\n", "text/event-stream")

        def answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        over.set()
        server.shutdown()
        server.server_close()


@pytest.mark.slow
def test_a_long_prefill_is_normal_and_shows_how_far_it_is(shell):
    with reading_server(16.0) as base_url:
        code, read = read_by(shell, base_url, HOB_FIRST_TOKEN_TIMEOUT="12")
    assert code == 0, read
    lines = [line for line in read.splitlines() if "reading the prompt" in line]
    assert len(lines) == 2, read
    assert all(map(in_docs, lines)), lines


def test_a_slow_trickle_is_normal(shell):
    turn = Turn(text="One word after the other.", piece_chars=5, gap_s=0.3)
    with serve([turn]) as server:
        code, read = read_by(shell, server.base_url, HOB_TOKEN_TIMEOUT="1")
    assert code == 0, read
    assert "silent" not in read


def test_loading_is_waited_for(shell):
    with serve([Turn(text="Done.", fault="loading", fault_times=4)]) as server:
        code, read = read_by(shell, server.base_url)
        assert len(server.requests) == 5
    assert code == 0, read
    assert "again" not in read


@pytest.mark.parametrize(
    ("fault", "settings"),
    [
        pytest.param("loading", {"HOB_LOAD_TIMEOUT": "0.5"}, marks=pytest.mark.slow),
        ("hang_before_headers", {"HOB_FIRST_TOKEN_TIMEOUT": "0.5"}),
        pytest.param("hang_in_the_middle", {"HOB_TOKEN_TIMEOUT": "0.5"}, marks=pytest.mark.slow),
        ("cut_in_text", {}),
        pytest.param("refuse", {}, marks=pytest.mark.slow),
        pytest.param("html", {}, marks=pytest.mark.slow),
    ],
)
def test_what_went_wrong_is_told_with_its_phase(shell, fault, settings):
    with serve([Turn(text="I shall look at the tests.", fault=fault)]) as server:
        code, read = read_by(shell, server.base_url, **settings)
    assert code != 0
    assert in_docs(last_words(read)), read


def test_nobody_there(shell):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        code, read = read_by(shell, base_url)
    assert code != 0
    assert in_docs(last_words(read)), read


def last_words(read: str) -> str:
    """Return the sentence that ends a failed run."""
    return next(line for line in reversed(read.splitlines()) if "127.0.0.1:8080" in line).strip()
