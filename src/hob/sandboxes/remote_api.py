"""The HTTP API of a SWE-ReX server (`swerex-remote` 1.4), without its library. Blocking: for threads."""

import http.client
import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection, RemoteDisconnected
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

_CONNECT_S = 5.0
_SLACK_S = 10.0  # on top of a command's own limit: the server answers one request at a time
_IDLE_S = 3.0  # uvicorn hangs up after five
_MAX_RESPONSE_BYTES = 64 << 20


class RemoteError(Exception):
    """The far side did not do it; the text says why and what to do."""


class Completed(Struct):
    """What `/execute` answers. Bytes that are not UTF-8 come escaped, so ask for base64."""

    stdout: str = ""
    stderr: str = ""
    exit_code: int | None = None


class _Trouble(Struct):
    message: str = ""
    class_path: str = ""


class _Failed(Struct):
    swerexception: _Trouble


class _Refused(Struct):
    detail: object = ""


class Api:
    """A client for one server. May be used from several threads."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url.rstrip("/")
        self._key = key
        self._lock = threading.Lock()
        self._idle: list[tuple[float, HTTPConnection]] = []

    def execute(
        self,
        command: Sequence[str],
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> Completed:
        """Run a short command to its end; `env` None is the server's own. Raises `RemoteError`."""
        body = {"command": command, "timeout": timeout_s, "env": env, "cwd": cwd}
        data = self._request("/execute", msgspec.json.encode(body), timeout_s + _SLACK_S)
        try:
            return msgspec.json.decode(data, type=Completed)
        except msgspec.DecodeError:
            raise self._strange() from None

    def upload(self, path: str, data: bytes, *, timeout_s: float) -> None:
        """Put bytes into a file on the far side. Raises `RemoteError`."""
        mark = os.urandom(16).hex()
        head = (
            f'--{mark}\r\nContent-Disposition: form-data; name="target_path"\r\n\r\n{path}\r\n'
            f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="data"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        body = b"".join((head.encode(), data, f"\r\n--{mark}--\r\n".encode()))
        form = f"multipart/form-data; boundary={mark}"
        self._request("/upload", body, timeout_s + _SLACK_S, form)

    def close(self) -> None:
        """Let connections go. The server's own /close would end other people's sessions."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()

    def _request(
        self, path: str, body: bytes, read_s: float, kind: str = "application/json"
    ) -> bytes:
        # The server answers the last request again if its id comes twice, so one repetition is safe.
        headers = {
            "Content-Type": kind,
            "X-API-Key": self._key,
            "X-Request-ID": os.urandom(16).hex(),
        }
        connection, reused = self._connection()
        while True:
            try:
                status, data = self._exchange(connection, path, body, headers, read_s)
                break
            except (RemoteDisconnected, ConnectionError) as error:
                connection.close()
                if not reused:
                    raise RemoteError(f"{self.url!r} hung up in the middle: {error}") from None
                connection, reused = self._connect(), False
            except TimeoutError:
                connection.close()
                raise RemoteError(
                    f"{self.url!r} did not answer {path} within {read_s:g} s; it may be busy with "
                    "another command, so look at the server"
                ) from None
            except (HTTPException, OSError, ValueError) as error:
                connection.close()
                raise RemoteError(f"talking to {self.url!r} failed: {error}") from None
        if status != 200:
            raise self._failure(status, data)
        return data

    def _exchange(
        self,
        connection: HTTPConnection,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        read_s: float,
    ) -> tuple[int, bytes]:
        if connection.sock is not None:  # pyright: ignore[reportUnnecessaryComparison]
            connection.sock.settimeout(read_s)
        connection.request("POST", urlsplit(self.url).path + path, body, headers)
        response = connection.getresponse()
        data = response.read(_MAX_RESPONSE_BYTES + 1)
        if len(data) > _MAX_RESPONSE_BYTES:
            raise HTTPException(f"an answer of more than {_MAX_RESPONSE_BYTES >> 20} MB")
        if response.will_close:
            connection.close()
        else:
            with self._lock:
                self._idle.append((time.monotonic(), connection))
        return response.status, data

    def _connection(self) -> tuple[HTTPConnection, bool]:
        with self._lock:
            while self._idle:
                since, connection = self._idle.pop()
                if time.monotonic() - since < _IDLE_S:
                    return connection, True
                connection.close()
        return self._connect(), False

    def _connect(self) -> HTTPConnection:
        connection: HTTPConnection | None = None
        try:
            parts = urlsplit(self.url)
            make = HTTPSConnection if parts.scheme == "https" else HTTPConnection
            connection = make(parts.hostname or "", parts.port, timeout=_CONNECT_S)
            connection.connect()
        except (OSError, ValueError, http.client.InvalidURL) as error:
            if connection is not None:
                with suppress(OSError):
                    connection.close()
            raise RemoteError(
                f"nobody answers at {self.url!r} ({error}); start `swerex-remote` there, or correct "
                "HOB_REMOTE_URL"
            ) from None
        return connection

    def _failure(self, status: int, data: bytes) -> RemoteError:
        if status in {401, 403}:
            return RemoteError(
                f"{self.url!r} refuses the key; set HOB_REMOTE_KEY to the server's --auth-token"
            )
        with suppress(msgspec.DecodeError):
            trouble = msgspec.json.decode(data, type=_Failed).swerexception
            kind = trouble.class_path.rpartition(".")[2]
            return RemoteError(f"{self.url!r} says {kind}: {trouble.message}")
        with suppress(msgspec.DecodeError):
            detail = msgspec.json.decode(data, type=_Refused).detail
            if status == 422:
                return RemoteError(f"{self.url!r} does not take the request: {detail}")
        return self._strange(status)

    def _strange(self, status: int = 200) -> RemoteError:
        return RemoteError(
            f"{self.url!r} answers {status}, but not as a SWE-ReX server; correct HOB_REMOTE_URL"
        )
