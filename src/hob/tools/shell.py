"""`bash`: one command line in a fresh shell."""

import math
import signal
from typing import Annotated

from hob.core.messages import Details, ToolResult
from hob.core.ports import ExecResult, Report, Sandbox
from hob.tools.bounds import cut_line, cut_lines, cut_text
from hob.tools.settings import Settings
from hob.tools.tool import failed, tool

MAX_TIMEOUT_S = 600

_KEPT_BYTES = 131_072  # of each stream, for people; the model gets less
_MAX_STDOUT = 12_000
_MAX_STDERR = 4_000
_STDERR_HEAD, _STDERR_TAIL = 3, 20  # Python puts the cause last, compilers put it first


@tool(access="execute", replay="never")
async def bash(
    command: str,
    sandbox: Sandbox,
    settings: Settings,
    report: Report,
    timeout_s: Annotated[float | None, "at most 600"] = None,
) -> ToolResult:
    """Run a command in the workspace with bash, each time in a new shell without stdin."""
    limit_s = settings.bash_timeout_s if timeout_s is None else timeout_s
    if not 0 < limit_s < math.inf:
        shown = cut_line(str(limit_s), 20)
        return failed(
            f"timeout_s must be above 0 and finite, not {shown}; give seconds, such as 30"
        )
    limit_s = min(limit_s, MAX_TIMEOUT_S)
    result = await sandbox.exec(
        ["bash", "--noprofile", "--norc", "-c", command],
        timeout_s=limit_s,
        report=report,
        max_bytes=_KEPT_BYTES,
    )
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
    content = _failure(result, limit_s) if bad else _success(result)
    return ToolResult(content, is_error=bad, details=details)


def _success(result: ExecResult) -> str:
    stderr = _bounded(result.stderr, _MAX_STDERR, result.stderr_bytes)
    return _told("exit code 0", _bounded(result.stdout, _MAX_STDOUT, result.stdout_bytes), stderr)


def _failure(result: ExecResult, limit_s: float) -> str:
    said = f"Command timed out after {limit_s:g}s" if result.timed_out else _ended(result.exit_code)
    lines = result.stderr.rstrip("\n").split("\n")
    stderr = "\n".join(cut_lines(lines, _STDERR_HEAD, _STDERR_TAIL))
    stdout = _bounded(result.stdout, _MAX_STDOUT, result.stdout_bytes)
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


def _bounded(text: str, max_chars: int, total_bytes: int) -> str:
    whole = total_bytes <= _KEPT_BYTES
    return cut_text(text, max_chars, None if whole else total_bytes)
