"""A failure as plain data: the error's name, its message, and where in the workspace it passed."""

from __future__ import annotations

import os
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType


def describe(root: str, error: BaseException, trail: TracebackType | None) -> dict[str, Any]:
    """Return error name, message (short) and the last frames below the root, outermost first."""
    frames: list[list[Any]] = []
    for step in traceback.extract_tb(trail, limit=-40):
        path = os.path.realpath(step.filename)
        if path.startswith(root + os.sep) and "site-packages" not in path:
            frames.append([os.path.relpath(path, root), step.lineno, step.name])
    if isinstance(error, SyntaxError) and error.filename:
        path = os.path.realpath(error.filename)
        if path.startswith(root + os.sep):
            frames.append([os.path.relpath(path, root), error.lineno or 1, "<module>"])
    try:
        message = str(error)
    except Exception:  # the error's own __str__ may be what is broken
        message = ""
    return {"error": type(error).__name__, "message": message[:300], "frames": frames[-8:]}
