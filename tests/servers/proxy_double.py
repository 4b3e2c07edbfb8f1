"""A forward proxy: takes requests for any host, and tunnels to any host, all to one target; what was asked is kept."""

import socket
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from select import select
from threading import Thread
from typing import Self


class ProxyDouble:
    """A proxy in front of one port of this machine. `asked` are (method, target), `users` what proved who asks."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.asked: list[tuple[str, str]] = []
        self.users: list[str] = []

    def __enter__(self) -> Self:
        double = self

        class Handler(_Handler):
            owner = double

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    owner: ProxyDouble

    def do_GET(self) -> None:
        self._forward(None)

    def do_POST(self) -> None:
        self._forward(self.rfile.read(int(self.headers["content-length"])))

    def do_CONNECT(self) -> None:
        self._note()
        with socket.create_connection(("127.0.0.1", self.owner.target)) as far:
            self.send_response(200, "Connection established")
            self.end_headers()
            _pump(self.connection, far)
        self.close_connection = True

    def _forward(self, body: bytes | None) -> None:
        self._note()
        path = "/" + self.path.split("://", 1)[1].partition("/")[2]
        there = HTTPConnection("127.0.0.1", self.owner.target)
        kept = {k: v for k, v in self.headers.items() if not k.lower().startswith("proxy-")}
        there.request(self.command, path, body, {**kept, "connection": "close"})
        answer = there.getresponse()
        data = answer.read()
        there.close()
        self.send_response(answer.status)
        self.send_header("content-type", answer.headers.get("content-type", ""))
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _note(self) -> None:
        self.owner.asked.append((self.command, self.path))
        self.owner.users.append(self.headers.get("proxy-authorization", ""))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _pump(one: socket.socket, two: socket.socket) -> None:
    while True:
        for source in select([one, two], [], [], 10)[0]:
            data = source.recv(65536)
            if not data:
                return
            (two if source is one else one).sendall(data)
