"""Which folder is worked in."""

import os

from hob.core.errors import CommandRefused


def real_workspace(folder: str | None) -> str:
    """Return the absolute real path of a folder, or of the current one. Raises `CommandRefused`."""
    path = os.path.realpath(os.path.expanduser(folder or "."))
    if not os.path.isdir(path):
        raise CommandRefused(f"There is no folder {folder!r}: give one that exists with -C.")
    return path
