"""What the model has seen of each file, to notice when somebody else changed it since."""

from collections import OrderedDict
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from hob.tools.text import encodes

_MAX_BYTES = 16_000_000  # kept of all files together; the ones seen longest ago are forgotten first


class Seen:
    """The last known contents of files, by their path below the workspace.

    Digests go into the log with each result (`metadata["seen"]`), so a resumed session still knows that
    a file was changed meanwhile; the contents themselves live only as long as the process.
    """

    def __init__(self, digests: Mapping[str, str] | None = None) -> None:
        self._digests = dict(digests or {})
        self._files: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    def note(self, path: str, data: bytes) -> dict[str, Any]:
        """Remember that the model knows a file to hold this; return what to put into the result's metadata."""
        self._drop(path)
        digest = self._digests[path] = _digest(data)
        if len(data) <= _MAX_BYTES:
            self._files[path] = data
            self._bytes += len(data)
        while self._bytes > _MAX_BYTES:
            self._drop(next(iter(self._files)))
        return _logged(path, digest)

    def forget(self, path: str) -> dict[str, Any]:
        """Remember nothing of a file any more; return what to put into the result's metadata."""
        self._drop(path)
        self._digests.pop(path, None)
        return _logged(path, "")

    def stale(self, path: str, data: bytes) -> bool:
        """Return whether the model knows a file to hold something else than this."""
        digest = self._digests.get(path)
        return digest is not None and digest != _digest(data)

    def known(self, path: str) -> bytes | None:
        """Return the contents that the model knows, None if they are not kept any more."""
        return self._files.get(path)

    def _drop(self, path: str) -> None:
        self._bytes -= len(self._files.pop(path, b""))


def _logged(path: str, digest: str) -> dict[str, Any]:
    # A name that is not UTF-8 cannot stand in the log; it is known in this process only.
    return {"seen": {path: digest}} if encodes(path) else {}


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=12).hexdigest()
