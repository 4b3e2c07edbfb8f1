"""Editing text as models ask for it: tolerant in locating the place, conservative in writing."""

from hob.editing.engine import apply, apply_bytes, edit
from hob.editing.outcome import Check, Edited, EditRefused
from hob.editing.reply import apply_reply

__all__ = ["Check", "EditRefused", "Edited", "apply", "apply_bytes", "apply_reply", "edit"]
