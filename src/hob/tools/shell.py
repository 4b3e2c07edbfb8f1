"""`bash`: one command line in a shell that remembers the ones before."""

import asyncio
import math
import signal
from contextlib import suppress
from typing import Annotated

from hob.core.messages import Details, ToolResult
from hob.core.ports import ExecResult, Report
from hob.tools.bounds import cut_line, cut_lines, cut_text
from hob.tools.outputs import Outputs, Recording, describe
from hob.tools.shell_state import Shell, Turn
from hob.tools.tool import failed, tool

MAX_TIMEOUT_S = 600

_KEPT_BYTES = 131_072  # of each stream, for people; the model gets less
_MAX_STDOUT = 12_000
_MAX_STDERR = 4_000
_STDERR_HEAD, _STDERR_TAIL = 3, 20  # Python puts the cause last, compilers put it first
_FIRST_OUTPUT_S = 0.5


@tool(access="execute", replay="never")
async def bash(
    command: str,
    shell: Shell,
    report: Report,
    timeout_s: Annotated[float | None, "at most 600"] = None,
    background: bool = False,
) -> ToolResult:
    """Run a bash command without stdin; directory, variables and functions carry over."""
    limit_s = shell.settings.bash_timeout_s if timeout_s is None else timeout_s
    if not 0 < limit_s < math.inf:
        shown = cut_line(str(limit_s), 20)
        return failed(
            f"timeout_s must be above 0 and finite, not {shown}; give seconds, such as 30"
        )
    limit_s = min(limit_s, MAX_TIMEOUT_S)
    turn = await shell.begin(command, background=background)
    recording = shell.outputs.begin(command)
    try:
        result = await shell.sandbox.exec(
            turn.argv, timeout_s=limit_s, report=report, max_bytes=_KEPT_BYTES, sink=recording.sink
        )
        notes = await _remembered(shell, turn, result)
        if result.job is not None:
            shell.outputs.background(recording, result.job)
            notes.append(f"[still running: {describe(result.job, command)}]")
            if background and not result.stdout_bytes + result.stderr_bytes:
                return await _started(recording, notes)
        return _answer(result, limit_s, notes, _names(shell.outputs, recording, result))
    finally:
        shell.release(turn)
        shell.outputs.end(recording)


async def _started(recording: Recording, notes: list[str]) -> ToolResult:
    """Give a background job a moment for its first words."""
    recording.news.clear()
    with suppress(TimeoutError):
        await asyncio.wait_for(recording.news.wait(), _FIRST_OUTPUT_S)
    parts: list[str] = []
    for stream in ("stdout", "stderr"):
        text, _ = recording.text(stream)
        if text.strip():
            parts += [f"{stream}:", cut_text(text.rstrip("\n"), _MAX_STDERR)]
    return ToolResult("\n".join([*(parts or ["[no output yet]"]), *notes]))


async def _remembered(shell: Shell, turn: Turn, result: ExecResult) -> list[str]:
    """Take on the state that a command left; say where the shell is if that is not obvious."""
    if turn.into is None:
        return []
    before = shell.cwd
    if result.timed_out:
        note = "the shell's state is as before this command"
    else:
        note = await shell.remember(turn)
    notes = [f"[{note}]"] if note else []
    if shell.cwd or shell.cwd != before:
        notes.append(f"[cwd: {shell.cwd or shell.sandbox.root}]")
    return notes


def _names(outputs: Outputs, recording: Recording, result: ExecResult) -> dict[str, str]:
    """Keep what the model does not see whole; return by stream the name it can be read by."""
    if result.job is not None:
        return dict.fromkeys(("stdout", "stderr"), result.job.job_id)
    names = {"stdout": "", "stderr": ""}
    lines = result.stderr.count("\n")
    bad = result.timed_out or result.exit_code != 0
    if len(result.stdout) > _MAX_STDOUT:
        names["stdout"] = outputs.keep(recording, "stdout")
    if len(result.stderr) > _MAX_STDERR or (bad and lines > _STDERR_HEAD + _STDERR_TAIL):
        names["stderr"] = outputs.keep(recording, "stderr")
    return names


def _answer(
    result: ExecResult, limit_s: float, notes: list[str], names: dict[str, str]
) -> ToolResult:
    details = Details(
        stdout=result.stdout,
        stderr=result.stderr,
        exit_code=result.exit_code,
        metadata={
            "timed_out": result.timed_out,
            "duration_s": result.duration_s,
            "stdout_bytes": result.stdout_bytes,
            "stderr_bytes": result.stderr_bytes,
        },
    )
    bad = result.timed_out or result.exit_code != 0
    content = _failure(result, limit_s, names) if bad else _success(result, names)
    return ToolResult("\n".join([content, *notes]), is_error=bad, details=details)


def _success(result: ExecResult, names: dict[str, str]) -> str:
    stdout = _bounded(result.stdout, _MAX_STDOUT, result.stdout_bytes, names["stdout"])
    stderr = _bounded(result.stderr, _MAX_STDERR, result.stderr_bytes, names["stderr"])
    return _told("exit code 0", stdout, stderr)


def _failure(result: ExecResult, limit_s: float, names: dict[str, str]) -> str:
    said = f"Command timed out after {limit_s:g}s" if result.timed_out else _ended(result.exit_code)
    lines = result.stderr.rstrip("\n").split("\n")
    stderr = "\n".join(cut_lines(lines, _STDERR_HEAD, _STDERR_TAIL, names["stderr"]))
    stdout = _bounded(result.stdout, _MAX_STDOUT, result.stdout_bytes, names["stdout"])
    return _told(said, stdout, cut_text(stderr, _MAX_STDERR))


def _ended(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        try:
            return f"killed by {signal.Signals(-exit_code).name}"
        except ValueError:
            return f"killed by signal {-exit_code}"
    return f"exit code {exit_code}"


def _told(said: str, stdout: str, stderr: str) -> str:
    parts = [said]
    if stdout:
        parts += ["stdout:", stdout.rstrip("\n")]
    if stderr.strip():
        parts += ["stderr:", stderr.rstrip("\n")]
    if len(parts) == 1:
        parts.append("[no output]")
    return "\n".join(parts)


def _bounded(text: str, max_chars: int, total_bytes: int, name: str) -> str:
    whole = total_bytes <= _KEPT_BYTES
    return cut_text(text, max_chars, None if whole else total_bytes, name)
