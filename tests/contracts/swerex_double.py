"""A double of `swerex-remote` 1.4.0: the same HTTP over a real socket, written from its source.

Like the original it serves one request at a time, runs commands with `subprocess.run`, and answers an
exception with 511. `faults` are done instead of the next answers, one each: "hang up", "garbage",
"hang", "404", "422", "raise".
"""

import json
import subprocess
import threading
import time
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Double:
    """A running double. `env` is the environment of its process, which commands must not see."""

    def __init__(self, key: str, env: dict[str, str]) -> None:
        self.faults: list[str] = []
        self.requests: list[tuple[str, dict[str, object]]] = []
        self.lock = threading.Lock()
        self.key, self.env = key, env
        self.last: tuple[str, tuple[int, object]] = ("", (0, None))
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with owner.lock:
                    fault = owner.faults.pop(0) if owner.faults else ""
                    if fault == "hang up":
                        self.close_connection = True
                        return
                    answer = owner.answer(self.path, dict(self.headers.items()), body)
                    if fault == "late hang up":  # done, but nobody hears of it
                        self.close_connection = True
                        return
                status, content = FAULTS.get(fault, answer)
                if fault == "hang":
                    time.sleep(1.5)
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, object]:
        if headers.get("X-API-Key") != self.key:
            return 401, {"detail": "Invalid API Key"}
        number = headers.get("X-Request-ID", "")
        if number and number == self.last[0]:
            return self.last[1]
        try:
            result = 200, self.act(path, headers, body)
        except Exception as error:
            name = f"{type(error).__module__}.{type(error).__name__}"
            trouble = {"message": str(error), "class_path": name, "traceback": "", "extra_info": {}}
            result = 511, {"swerexception": trouble}
        self.last = number, result
        return result

    def act(self, path: str, headers: dict[str, str], body: bytes) -> object:
        if path == "/upload":
            return self.upload(headers, body)
        assert path == "/execute"
        asked = json.loads(body)
        self.requests.append((path, asked))
        done = subprocess.run(
            asked["command"],
            timeout=asked["timeout"],
            env=self.env if asked["env"] is None else asked["env"],
            cwd=asked["cwd"],
            capture_output=True,
            check=False,
        )
        return {
            "stdout": done.stdout.decode(errors="backslashreplace"),
            "stderr": done.stderr.decode(errors="backslashreplace"),
            "exit_code": done.returncode,
        }

    def upload(self, headers: dict[str, str], body: bytes) -> object:
        message = message_from_bytes(f"Content-Type: {headers['Content-Type']}\n\n".encode() + body)
        parts = {
            part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
            for part in message.get_payload()  # type: ignore[union-attr]
        }
        # `email` changes line ends inside a part; the bytes are between the boundary and the next one.
        mark = headers["Content-Type"].partition("boundary=")[2].encode()
        data = body.split(b"--" + mark)[2].partition(b"\r\n\r\n")[2][:-2]
        Path(parts["target_path"].decode().strip()).write_bytes(data)  # type: ignore[union-attr]
        self.requests.append(("/upload", {"size": len(data)}))
        return {}


FAULTS: dict[str, tuple[int, object]] = {
    "garbage": (200, b"<html>hello</html>"),
    "404": (404, {"detail": "Not Found"}),
    "422": (422, {"detail": [{"loc": ["body"], "msg": "Field required"}]}),
    "raise": (511, {"swerexception": {"message": "boom", "class_path": "swerex.exceptions.Odd"}}),
}
