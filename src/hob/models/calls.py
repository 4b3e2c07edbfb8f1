"""Tool calls put together from pieces, whichever way a server cuts them."""

from typing import Any, cast

import msgspec

from hob.core.deltas import CallDelta
from hob.core.messages import ToolCall
from hob.models.json_text import is_complete


class _Slot:
    def __init__(self, index: int, wire_id: str) -> None:
        self.index = index
        self.wire_id = wire_id
        self.name = ""
        self.parts: list[str] = []

    @property
    def arguments(self) -> str:
        return "".join(self.parts)


class Calls:
    """The calls of one answer.

    The protocol says: pieces carry an `index`; the first one of a call has id and name, the others
    only argument text. Seen as well, and understood: no index, index 0 for every call, a name or an
    id in every piece, no id, the same id twice, whole calls in one piece, arguments as an object,
    name and arguments without the `function` around them.
    """

    def __init__(self) -> None:
        self._slots: list[_Slot] = []
        self._by_index: dict[int, _Slot] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def feed(self, pieces: object) -> list[CallDelta]:
        """Take the `tool_calls` of one chunk and return what they add."""
        if isinstance(pieces, dict):
            pieces = [cast("object", pieces)]
        if not isinstance(pieces, list):
            return []
        return [
            self._piece(cast("dict[str, Any]", piece))
            for piece in cast("list[object]", pieces)
            if isinstance(piece, dict)
        ]

    def finish(self, cut: bool) -> tuple[ToolCall, ...]:
        """Return the calls in the order in which they began.

        With `cut` (the token limit ended the answer) a call whose arguments are not whole JSON is
        left out: it must never run. An id that came twice is left empty the second time.
        """
        calls: list[ToolCall] = []
        seen: set[str] = set()
        for slot in self._slots:
            if cut and not is_complete(slot.arguments):
                continue
            wire_id = "" if slot.wire_id in seen else slot.wire_id
            seen.add(wire_id)
            calls.append(ToolCall("", slot.name, slot.arguments, wire_id))
        return tuple(calls)

    def _piece(self, piece: dict[str, Any]) -> CallDelta:
        inner = piece.get("function")
        function = cast("dict[str, Any]", inner) if isinstance(inner, dict) else piece
        name = _word(function.get("name"))
        arguments = _arguments(function.get("arguments"))
        wire_id = _word(piece.get("id"))
        slot, opened = self._slot(_index(piece.get("index")), wire_id, name, arguments)
        if name and name != slot.name:
            slot.name += name
        slot.wire_id = slot.wire_id or wire_id
        if arguments:
            slot.parts.append(arguments)
        return CallDelta(slot.index, slot.name if opened else "", arguments)

    def _slot(
        self, index: int | None, wire_id: str, name: str, arguments: str
    ) -> tuple[_Slot, bool]:
        slot = self._unnumbered(wire_id) if index is None else self._by_index.get(index)
        if slot is not None and not _is_another(slot, index, wire_id, name, arguments):
            return slot, False
        slot = _Slot(len(self._slots), wire_id)
        self._slots.append(slot)
        if index is not None:
            self._by_index[index] = slot
        return slot, True

    def _unnumbered(self, wire_id: str) -> _Slot | None:
        if not self._slots:
            return None
        same = (slot for slot in reversed(self._slots) if wire_id and slot.wire_id == wire_id)
        return next(same, self._slots[-1])


def _is_another(slot: _Slot, index: int | None, wire_id: str, name: str, arguments: str) -> bool:
    """Say whether a piece that seems to belong to this call opens one of its own.

    Only a piece with a name can. Another id settles it; else a call that is whole already takes no
    further arguments, and without an index a new name is a new call.
    """
    if not name:
        return False
    if wire_id and slot.wire_id and wire_id != slot.wire_id:
        return True
    if index is None and name != slot.name:
        return True
    return bool(arguments and slot.parts) and is_complete(slot.arguments)


def _index(value: object) -> int | None:
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isdecimal() else None


def _word(value: object) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) else ""


def _arguments(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
