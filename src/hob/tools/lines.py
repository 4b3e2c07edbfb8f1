"""Find lines that match a regular expression, without any pattern being able to hang the house.

Python's `re` holds the interpreter lock while it backtracks, so even in a thread a bad pattern
would stop everything. Patterns that could take long are therefore matched in a child process that
can be killed; the ordinary ones stay here.
"""

import re
import select
import subprocess
import sys

from hob.tools.needles import needles
from hob.tools.walk import Watch

MAX_LINE = 1000  # characters of a line that are searched

_REPEAT, _MAX_COST = 5, 10
_TOKEN = r"(?s:\\.|\(\?:|\[\^?\]?(?:\\.|[^\]\\])*\]|[()*+?{]|.)"
_SLICE_MS = 100
_WATCHED = 512  # lines between two looks at the clock
_CPU_S = 60  # the child ends by itself if we are gone
_WORKER = f"""
import re, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, ({_CPU_S}, {_CPU_S}))
source, sink = sys.stdin.buffer, sys.stdout.buffer
flags, size = map(int, source.readline().split())
pattern = re.compile(source.read(size).decode("utf-8", "surrogatepass"), flags)
while head := source.readline():
    text = source.read(int(head)).decode("utf-8", "surrogatepass")
    hits = [n for n, line in enumerate(text.split("\\n")) if pattern.search(line[:{MAX_LINE}])]
    sink.write((" ".join(map(str, hits)) + "\\n").encode())
    sink.flush()
"""


class TooSlow(Exception):
    """The time was up in the middle of a file."""


class Matcher:
    """Finds the matching lines of texts. Close it when done. Raises `re.error`."""

    def __init__(self, pattern: str, ignore_case: bool, watch: Watch) -> None:
        flags = re.IGNORECASE if ignore_case else 0
        self._pattern = re.compile(pattern, flags)
        self._watch = watch
        texts = needles(pattern, ignore_case)
        self._needles = [text.lower() for text in texts] if ignore_case else texts
        self._ignore_case = ignore_case
        self._worker = None if quick(pattern) else _Worker(pattern, flags, watch)

    def lines(self, text: str) -> list[int]:
        """Return the indexes (from 0) of matching lines. Raises `TooSlow`."""
        if self._needles and self._without(text):
            return []
        if self._worker is not None:
            return self._worker.lines(text)
        search = self._pattern.search
        hits: list[int] = []
        for number, line in enumerate(text.split("\n")):
            if number % _WATCHED == 0 and self._watch.over():
                raise TooSlow
            if search(line[:MAX_LINE]):
                hits.append(number)
        return hits

    def _without(self, text: str) -> bool:
        """Return whether a text surely has no line that matches."""
        if self._ignore_case:
            if not text.isascii():
                return False
            text = text.lower()
        return not any(needle in text for needle in self._needles)

    def close(self) -> None:
        """End the child, if there is one."""
        if self._worker is not None:
            self._worker.close()


def quick(pattern: str) -> bool:
    """Return whether a pattern cannot take long on a line of 1,000 characters.

    So it is with at most two repeats, none of them of a group, few choices inside groups (their
    numbers multiply), and no look-around or back-reference.
    """
    cost = depth = 0
    before = ""
    for token in re.findall(_TOKEN, pattern):
        if token in {"*", "+", "?", "{"}:
            if before == ")" or (before == "(" and token == "?"):
                return False
            # `+?` and `*+` are one repeat with a mark behind it.
            cost += 0 if before in {"*", "+", "?", "{"} else _REPEAT
        elif token[0] == "\\" and token[1:].isdigit():
            return False
        depth += (token in {"(", "(?:"}) - (token == ")")
        cost += token == "|" and depth > 0
        before = token
    return cost <= _MAX_COST


class _Worker:
    """A Python that does nothing but match."""

    def __init__(self, pattern: str, flags: int, watch: Watch) -> None:
        self._watch = watch
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        data = pattern.encode("utf-8", "surrogatepass")
        self._send(b"%d %d\n" % (flags, len(data)) + data)

    def lines(self, text: str) -> list[int]:
        """Return the indexes of matching lines. Raises `TooSlow`."""
        data = text.encode("utf-8", "surrogatepass")
        self._send(b"%d\n" % len(data) + data)
        assert self._process.stdout is not None
        poll = select.poll()
        poll.register(self._process.stdout, select.POLLIN)
        while not poll.poll(min(_SLICE_MS, self._watch.left_s() * 1000)):
            if self._watch.over():
                raise TooSlow
        answer = self._process.stdout.readline()
        if not answer.endswith(b"\n"):
            raise TooSlow
        return [int(number) for number in answer.split()]

    def close(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.communicate()

    def _send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise TooSlow from None
