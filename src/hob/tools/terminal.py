"""`shell_session`: a program that wants a person at a terminal, such as a debugger, driven line by line."""

import re
from typing import Annotated, Literal

from msgspec import Struct

from hob.core.messages import ToolResult
from hob.core.ports import Terminal
from hob.tools.bounds import cut_line, cut_text
from hob.tools.lines import quick
from hob.tools.shell_state import Shell
from hob.tools.tool import done, failed, tool

_MOST = 4
_MAX_CHARS = 12_000
_WAIT_S = 10.0
_LONGEST_S = 120.0
_ENV = {"TERM": "dumb"}

# CSI, OSC and other string sequences, two-character escapes (ECMA-48); then control characters.
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)|[ -/]*[0-~])"
    r"|[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]"
)
_KEY = re.compile(r"ctrl-([a-z@\[\\\]^_])", re.IGNORECASE)
_KEYS = {
    "esc": "\x1b", "tab": "\t", "enter": "\r", "backspace": "\x7f", "up": "\x1b[A", "down": "\x1b[B",
    "right": "\x1b[C", "left": "\x1b[D",
}  # fmt: skip

Act = Literal["start", "send", "read", "close", "list"]


class Open(Struct, frozen=True):
    """A program at a terminal."""

    name: str
    command: str
    terminal: Terminal


class Terminals:
    """The interactive programs of a session; they end with its sandbox."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._open: dict[str, Open] = {}
        self._count = 0

    async def start(self, command: str) -> Open | str:
        """Start a program, or say why not. Raises `FileError`."""
        self._open = {n: one for n, one in self._open.items() if one.terminal.exit_code is None}
        if len(self._open) >= _MOST:
            return f"{_MOST} sessions are open already; close one of {', '.join(self._open)} first"
        turn = await self._shell.interactive(command)
        terminal = await self._shell.sandbox.terminal(turn.argv, env=_ENV)
        self._shell.release(turn)
        self._count += 1
        opened = Open(f"t{self._count}", command, terminal)
        self._open[opened.name] = opened
        return opened

    def find(self, name: str | None) -> Open | str:
        """Return a session by name, the last one without a name, or words that say which there are."""
        if not self._open:
            return "no session is open; start one with text='python3 -i'"
        if not name:
            return next(reversed(self._open.values()))
        names = ", ".join(self._open)
        return self._open.get(name) or f"there is no session {name!r}; open are {names}"

    def forget(self, name: str) -> None:
        """Let a session go."""
        self._open.pop(name, None)

    def listing(self) -> str:
        """Return all sessions, a line each."""
        lines = [f"{one.name}: {one.command} [{_state(one)}]" for one in self._open.values()]
        return "\n".join(lines) or "[no sessions]"


@tool(access="execute", replay="never")
async def shell_session(  # noqa: PLR0913  (what a model may say, each by its name)
    action: Act,
    terminals: Terminals,
    text: Annotated[str, "the command to start, or what to type; ctrl-c, ctrl-d"] = "",
    session: str | None = None,
    until: Annotated[str | None, "regex to wait for"] = None,
    timeout_s: float = _WAIT_S,
    enter: bool = True,
) -> ToolResult:
    """Drive an interactive program (python3 -i, gdb, psql) in a terminal, line by line."""
    problem = _unusable(until)
    if problem:
        return failed(problem)
    if action == "list":
        return done(terminals.listing())
    if action == "start" and not text.strip():
        return failed("start needs the command as text, such as 'python3 -i'")
    found = await terminals.start(text) if action == "start" else terminals.find(session)
    if isinstance(found, str):
        return failed(found)
    if action == "close":
        await found.terminal.close()
        said = await found.terminal.read(timeout_s=0)
        terminals.forget(found.name)
        return _told(found, said)
    if action == "send":
        await found.terminal.send(_typed(text, enter=enter))
    limit_s = min(max(timeout_s, 0.0), _LONGEST_S)
    said = await found.terminal.read(timeout_s=limit_s, until=until)
    if found.terminal.exit_code is not None:
        await found.terminal.close()
        terminals.forget(found.name)
    return _told(found, said)


def clean(text: str) -> str:
    """Return what a terminal would show: no escape sequences, overwritten parts of lines gone."""
    text = _ESCAPES.sub("", text).replace("\r\n", "\n")
    return "\n".join(_line(line) for line in text.split("\n"))


def _line(line: str) -> str:
    """Return one line after its carriage returns and backspaces."""
    line = re.sub(r"\r+$", "", line)
    if "\r" not in line and "\b" not in line:
        return line
    shown: list[str] = []
    place = 0
    for sign in line:
        if sign == "\r":
            place = 0
        elif sign == "\b":
            place = max(0, place - 1)
        else:
            shown[place : place + 1] = [sign]
            place += 1
    return "".join(shown).rstrip()


def _typed(text: str, *, enter: bool) -> str:
    control = _KEY.fullmatch(text.strip())
    if control:
        return chr(ord(control[1].upper()) & 0x1F)
    if text.strip().lower() in _KEYS:
        return _KEYS[text.strip().lower()]
    lines = text.replace("\r\n", "\n").removesuffix("\n").replace("\n", "\r")
    return f"{lines}\r" if enter else lines


def _unusable(until: str | None) -> str:
    if until is None:
        return ""
    try:
        re.compile(until)
    except re.error as error:
        return (
            f"until is not a regular expression: {error}; escape ( ) [ ] * + ? . as in r'\\(gdb\\)'"
        )
    return "" if quick(until) else "until could take for ever; give a plain text such as '>>> '"


def _state(one: Open) -> str:
    code = one.terminal.exit_code
    if code is None:
        return "running"
    return f"exit code {code}" if code >= 0 else f"killed by signal {-code}"


def _told(one: Open, said: str) -> ToolResult:
    shown = cut_text(clean(said).strip("\n"), _MAX_CHARS)
    head = f"[{one.name}, {_state(one)}: {cut_line(one.command, 80)}]"
    return done(f"{shown}\n{head}" if shown.strip() else f"[no output]\n{head}", session=one.name)
