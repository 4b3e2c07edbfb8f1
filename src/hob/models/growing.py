"""Request bodies that only grow: what was rendered of a session is kept, and new messages are added.

Shared by protocols whose messages close brackets that the next message may leave open (several tool
results in one message), so a piece depends on the message before it.
"""

import re
from collections import OrderedDict
from collections.abc import Callable
from operator import is_

from hob.core.agent import ToolSpec
from hob.core.messages import Message
from hob.core.request import Request

Piece = Callable[[Message | None, Message], bytes]
"""Return what a message adds behind the one before it (None: it is the first)."""

_KEPT_SESSIONS = 8
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Bodies:
    """The bodies of the last sessions. `diverged` says what broke the last one's prefix, or is empty."""

    def __init__(self, head: Callable[[Request], bytes], piece: Piece) -> None:
        self._head = head
        self._piece = piece
        self._grown: OrderedDict[str, _Grown] = OrderedDict()
        self.diverged = ""

    def body(self, request: Request) -> bytearray:
        """Return the body up to the last message's open end. It is kept: do not change it."""
        grown = self._grown.get(request.session_id)
        self.diverged = _changed(grown, request) if grown is not None else ""
        if grown is None or self.diverged:
            grown = _Grown(request, self._head(request))
            self._grown[request.session_id] = grown
            if len(self._grown) > _KEPT_SESSIONS:
                self._grown.popitem(last=False)
        self._grown.move_to_end(request.session_id)
        replaced = grown.extend(request.messages, self._piece)
        if replaced is not None:
            self.diverged = f"message {replaced + 1} of the conversation"
        return grown.body


class _Grown:
    """One session's body, and where each message ends in it."""

    def __init__(self, request: Request, start: bytes) -> None:
        self.instructions: str = request.instructions
        self.tools: tuple[ToolSpec, ...] = request.tools
        self.body = bytearray(start)
        self._start = len(start)
        self._messages: tuple[Message, ...] = ()
        self._ends: list[int] = []

    def extend(self, messages: tuple[Message, ...], piece: Piece) -> int | None:
        """Make the body say exactly these messages; return the number of the first replaced one."""
        same = self._same(messages)
        replaced = same if same < len(self._ends) else None
        del self._ends[same:]
        del self.body[self._ends[-1] if self._ends else self._start :]
        before = messages[same - 1] if same else None
        for message in messages[same:]:
            self.body += piece(before, message)
            self._ends.append(len(self.body))
            before = message
        self._messages = messages
        return replaced

    def _same(self, messages: tuple[Message, ...]) -> int:
        known = self._messages
        if len(known) <= len(messages) and all(map(is_, known, messages)):
            return len(known)
        pairs = enumerate(zip(known, messages, strict=False))
        differing = (n for n, (old, new) in pairs if old is not new and old != new)
        return next(differing, min(len(known), len(messages)))


def _changed(grown: _Grown, request: Request) -> str:
    if grown.tools != request.tools:
        return "the tools"
    return "the system message" if grown.instructions != request.instructions else ""


def id_on_the_wire(call_id: str, wire_id: str, own: bool) -> str:
    """Return the id by which a call and its result are known in a request.

    The server's own id keeps what a template shows of it unchanged. With `own` (clouds, which demand
    unique ids and show them to no model) it is ours, so a session may come from another server.
    """
    first, second = (call_id, wire_id) if own else (wire_id, call_id)
    chosen = first if _ID.fullmatch(first) else second or first
    return _NOT_IN_NAMES.sub("_", chosen)[:64] or "call"


def name_on_the_wire(name: str) -> str:
    """Return a called tool's name as strict servers take it; models invent names that they refuse."""
    return _NOT_IN_NAMES.sub("_", name)[:64] or "unnamed"
