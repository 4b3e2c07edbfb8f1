"""Large outputs as files named by the SHA-256 of their bytes: written once, never changed."""

import os
import secrets
from hashlib import sha256
from pathlib import Path


class FileBlobs:
    """Blobs under one folder, in 256 sub-folders."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, data: bytes) -> str:
        """Keep bytes durably and return their digest. The same bytes twice are kept once."""
        digest = sha256(data).hexdigest()
        target = self._path(digest)
        if target.exists():
            return digest
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        half_written = target.with_name(f".{digest}.{secrets.token_hex(4)}")
        descriptor = os.open(half_written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        half_written.replace(target)
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes. Raises `KeyError` if they are not here or not what they were."""
        if len(digest) != 64 or not digest.isalnum():
            raise KeyError(digest)
        try:
            data = self._path(digest).read_bytes()
        except OSError:
            raise KeyError(digest) from None
        if sha256(data).hexdigest() != digest:
            raise KeyError(digest)
        return data

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest[2:]
