"""What commands of this session printed: kept whole while and after they run, shown in pages by `read_output`."""

import asyncio
import re
from collections.abc import Callable
from functools import partial

from msgspec import Struct

from hob.core.messages import ToolResult
from hob.core.ports import Blobs, Job, Sandbox, Spool
from hob.tools.bounds import cut_line, cut_text
from hob.tools.settings import Settings
from hob.tools.tool import done, failed, tool

_RECENT = 10
_SHOWN_DIGITS = 12
_CHUNK = 1 << 20
_IN_THREAD = 4 << 20
_MAX_LINE = 2000
_LISTED_CHARS = 120
_TAIL_CHARS = 6000

Read = Callable[[int, int], bytes]


class Recording:
    """Both streams of one command; `sink` is what a sandbox gives every byte to."""

    def __init__(self, command: str, blobs: Blobs) -> None:
        self.command = command
        self.streams: dict[str, Spool] = {}
        self.news = asyncio.Event()
        self._blobs = blobs

    def sink(self, stream: str, data: bytes) -> None:
        """Keep the next bytes of a stream."""
        spool = self.streams.get(stream)
        if spool is None:
            spool = self.streams[stream] = self._blobs.spool()
        spool.write(data)
        self.news.set()

    def text(self, stream: str) -> tuple[str, int]:
        """Return the head and the end of a stream so far, and how many bytes there were."""
        spool = self.streams.get(stream)
        if spool is None:
            return "", 0
        if spool.kept <= 2 * _TAIL_CHARS:
            return spool.read(0, 2 * _TAIL_CHARS).decode("utf-8", "replace"), spool.seen
        tail = spool.read(spool.kept - _TAIL_CHARS, _TAIL_CHARS)
        return tail.decode("utf-8", "replace"), spool.seen

    def drop(self) -> None:
        """Forget it. May be called twice."""
        for spool in self.streams.values():
            spool.drop()
        self.streams.clear()


class Kept(Struct, frozen=True):
    """A finished output: the digest of its blob, what printed it, its size."""

    digest: str
    command: str
    size: int


class Outputs:
    """The outputs of a session: of jobs by name, the last long ones by digest."""

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs
        self.jobs: dict[str, Recording] = {}
        self.recent: list[Kept] = []

    def begin(self, command: str) -> Recording:
        """Record a command, until `end`."""
        return Recording(command, self.blobs)

    def background(self, recording: Recording, job: Job) -> None:
        """Go on recording under the name of a job."""
        self.jobs[job.job_id] = recording

    def keep(self, recording: Recording, stream: str) -> str:
        """Keep one stream as a blob; return the name that `read_output` knows it by, "" on failure."""
        spool = recording.streams.pop(stream, None)
        if spool is None:
            return ""
        try:
            digest = spool.finish()
        except OSError:
            spool.drop()
            return ""
        self.recent = [*self.recent[1 - _RECENT :], Kept(digest, recording.command, spool.seen)]
        return digest[:_SHOWN_DIGITS]

    def end(self, recording: Recording) -> None:
        """Let a recording go, unless it is a job's."""
        if all(one is not recording for one in self.jobs.values()):
            recording.drop()

    def close(self) -> None:
        """Forget what was not kept."""
        for recording in self.jobs.values():
            recording.drop()
        self.jobs.clear()


class _Page(Struct, frozen=True):
    """Some lines as bytes, whether the last one goes on, and the number of all lines."""

    lines: list[bytes]
    cut: bool
    total: int


@tool(access="read", replay="safe")
async def read_output(
    sandbox: Sandbox,
    outputs: Outputs,
    settings: Settings,
    output: str | None = None,
    start_line: int = 1,
    end_line: int | None = None,
) -> ToolResult:
    """Read lines of a kept output or of a background job; without a name, list both."""
    jobs = {job.job_id: job for job in await sandbox.jobs()}
    if not output:
        return _listing(jobs, outputs)
    if output not in outputs.jobs:
        return await _kept(output, outputs, settings, (start_line, end_line))
    recording = outputs.jobs[output]
    spool = recording.streams.get("stdout") or recording.streams.get("stderr")
    if spool is None or (start_line <= 1 and end_line is None):
        return _tails(output, jobs.get(output), recording)
    page = _page(spool.read, spool.kept, start_line, settings)
    return _show(output, page, (start_line, end_line), settings)


async def _kept(
    output: str, outputs: Outputs, settings: Settings, lines: tuple[int, int | None]
) -> ToolResult:
    blobs = outputs.blobs
    try:
        digest = blobs.find(output.lower())
        size = blobs.size(digest)
    except KeyError:
        return failed(f"there is no output {output!r}; read_output() without a name lists them")

    def find() -> _Page:
        return _page(partial(blobs.read, digest), size, lines[0], settings)

    page = await asyncio.to_thread(find) if size > _IN_THREAD else find()
    shown = _show(output, page, lines, settings)
    printed = next((kept.size for kept in outputs.recent if kept.digest == digest), size)
    if printed > size:
        note = f"{shown.content}\n[only the first {size} of {printed} bytes were kept]"
        return ToolResult(note, shown.is_error, shown.details)
    return shown


def describe(job: Job, command: str) -> str:
    """Return a job in a few words; `command` is what was asked for, if the sandbox cannot say more."""
    line = " ".join((job.command or command).split())
    return f"{job.job_id}, pid {job.pids[0]}: {cut_line(line, _LISTED_CHARS)}"


def _listing(jobs: dict[str, Job], outputs: Outputs) -> ToolResult:
    lines = [
        f"{describe(job, outputs.jobs[name].command if name in outputs.jobs else '')} ({job.age_s:.0f} s)"
        for name, job in jobs.items()
    ]
    for name, recording in outputs.jobs.items():
        if name not in jobs:
            line = cut_line(" ".join(recording.command.split()), _LISTED_CHARS)
            lines.append(f"{name}, ended: {line}")
    for kept in reversed(outputs.recent):
        line = cut_line(" ".join(kept.command.split()), _LISTED_CHARS)
        lines.append(f"{kept.digest[:_SHOWN_DIGITS]}, {kept.size} bytes: {line}")
    return done("\n".join(lines) or "[no background jobs, no kept outputs]")


def _tails(name: str, job: Job | None, recording: Recording) -> ToolResult:
    parts = [f"[running: {describe(job, recording.command)}]" if job else f"[{name} has ended]"]
    for stream in ("stdout", "stderr"):
        text, seen = recording.text(stream)
        if text.strip():
            if seen > len(text.encode("utf-8", "replace")):
                parts.append(f"[{stream}: the end of {seen} bytes; start_line shows other lines]")
            else:
                parts.append(f"{stream}:")
            parts.append(cut_text(text, 2 * _TAIL_CHARS).rstrip("\n"))
    if len(parts) == 1:
        parts.append("[no output yet]" if job else "[no output]")
    return done("\n".join(parts))


def _page(read: Read, size: int, first: int, settings: Settings) -> _Page:
    """Find a line in what may be hundreds of megabytes, and count them all, in little memory."""
    first = max(1, first)
    seen, start, offset, last = 0, 0 if first == 1 else -1, 0, b"\n"
    while offset < size:
        chunk = read(offset, _CHUNK)
        if not chunk:
            break
        here = chunk.count(b"\n")
        if start < 0 and seen + here >= first - 1:
            start = offset + _after(chunk, first - 1 - seen)
        seen += here
        offset += len(chunk)
        last = chunk[-1:]
    total = seen + (last != b"\n")
    if start < 0 or first > total:
        return _Page([], False, total)
    room = 4 * settings.max_read_chars
    lines = read(start, room).split(b"\n")
    cut = start + room < size
    if not cut and not lines[-1]:
        lines.pop()
    return _Page(lines, cut, total)


def _after(chunk: bytes, count: int) -> int:
    """Return the position behind the `count`-th line break."""
    place = 0
    for _ in range(count):
        place = chunk.index(b"\n", place) + 1
    return place


def _show(name: str, page: _Page, lines: tuple[int, int | None], settings: Settings) -> ToolResult:
    first, end = lines
    first = max(1, first)
    if first > page.total:
        return failed(f"{name!r} has {page.total} lines; start_line {first} is beyond them")
    most = settings.max_read_lines
    if end is not None and end >= 0:
        if end < first:
            return failed(f"end_line {end} is before start_line {first}; swap them")
        most = min(most, end - first + 1)
    room = settings.max_read_chars - 200
    shown: list[str] = []
    for number, line in enumerate(page.lines[:most], first):
        text = _overwritten(line.decode("utf-8", "replace"))
        whole = f"{number}\t{cut_line(text, _MAX_LINE)}"
        room -= len(whole) + 1
        if room < 0 and shown:
            break
        shown.append(whole)
    last = first + len(shown) - 1
    wanted = page.total if end is None or end < 0 else min(end, page.total)
    if last < wanted or first > 1:
        more = f"; read on with start_line={last + 1}" if last < page.total else ""
        shown.append(f"[lines {first}-{last} of {page.total}{more}]")
    return done("\n".join(shown), lines=[first, last], total_lines=page.total)


def _overwritten(line: str) -> str:
    """Return what a progress bar shows at its end."""
    return re.split(r"\r(?!$)", line)[-1].removesuffix("\r")
