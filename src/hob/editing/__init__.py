"""Editing text as models ask for it: tolerant in locating the place, conservative in writing.

What does the work is loaded when it is first used, because most starts of Hob edit nothing at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hob.editing.outcome import Check, Edited, EditRefused

if TYPE_CHECKING:
    from hob.editing.engine import apply, apply_bytes, edit
    from hob.editing.reply import apply_reply

__all__ = ["Check", "EditRefused", "Edited", "apply", "apply_bytes", "apply_reply", "edit"]

_HOMES = {"apply": "engine", "apply_bytes": "engine", "edit": "engine", "apply_reply": "reply"}


def __getattr__(name: str) -> Any:
    """Load the function's module at its first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
