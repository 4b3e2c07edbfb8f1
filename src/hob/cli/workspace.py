"""Which folder is worked in."""

import posixpath
from pathlib import Path

from hob.core.errors import CommandRefused


def real_workspace(folder: str | None) -> str:
    """Return the absolute real path of a folder, or of the current one. Raises `CommandRefused`."""
    path = Path(folder or ".").expanduser().resolve()
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise CommandRefused(
            f"The folder {str(path)!r} has a name that is not UTF-8: rename it first."
        ) from None
    if not path.is_dir():
        raise CommandRefused(f"There is no folder {folder!r}: give one that exists with -C.")
    if path == path.parent:
        raise CommandRefused(
            f"{str(path)!r} is the whole machine: name a project's folder with -C."
        )
    return str(path)


def far_workspace(folder: str | None) -> str:
    """Return the absolute path of a folder on a remote sandbox's machine. Raises `CommandRefused`."""
    if not folder or not folder.startswith("/") or not folder.isprintable():
        raise CommandRefused(
            "A remote sandbox needs its folder's absolute path over there: give -C."
        )
    path = posixpath.normpath(folder).replace("//", "/")
    if path == "/":
        raise CommandRefused("'/' is the whole machine: name a project's folder with -C.")
    return path
