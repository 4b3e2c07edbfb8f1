"""Editing text as models ask for it: tolerant in locating the place, conservative in writing."""

from hob.editing.engine import apply, apply_bytes, edit
from hob.editing.outcome import Check, Edited, EditRefused

__all__ = ["Check", "EditRefused", "Edited", "apply", "apply_bytes", "edit"]
