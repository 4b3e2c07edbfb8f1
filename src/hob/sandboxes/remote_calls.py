"""Commands on another machine: started at once, followed in looks, their whole tree ended in time.

The server answers one request at a time and gives a command's output only at its end. So a command is
started in the background there, with its streams in files, and every request stays short.
"""

import asyncio
import base64
from collections.abc import Mapping, Sequence

from hob.core.ports import ExecResult
from hob.sandboxes.client import uninterrupted
from hob.sandboxes.output import Output
from hob.sandboxes.remote_api import Completed, RemoteError
from hob.sandboxes.remote_link import Link
from hob.sandboxes.scripts import ASK, RUN

_PATIENCE_S = 0.1  # how long the request that starts a command waits for its end
_PAUSE_S = (0.01, 0.25)
_ASKED = (("INT", 0.3), ("TERM", 0.5))  # a test runner prints its summary on SIGINT
_PIECE_BYTES = 4 << 20  # of one stream in one look
_MAX_BYTES = 256 << 20  # that one command may leave on the far disk
_LAST_LOOKS = 40
_TRIES = 3

_LOOK = r"""
[ -d "$d" ] || { echo gone; exit; }
code=
[ ! -e "$d/end" ] || read -r code <"$d/end"
echo "${code:-runs}"
left=no
stream() {
  size=$(wc -c <"$1")
  if [ "$size" -gt "$2" ]; then tail -c "+$(($2 + 1))" "$1" | head -c "$3" | base64; fi
  echo :
  [ "$size" -le "$(($2 + $3))" ] || left=yes
}
stream "$d/stdout" "$1" "$3"
stream "$d/stderr" "$2" "$3"
[ -z "$code" ] || [ "$left" = yes ] || rm -rf "$d"
"""
_AGAIN = f"d=$1; shift\n{_LOOK}"
_START = rf"""
d=$1 token=$2 patience=$3 piece=$4 run=$5; shift 5
if mkdir "$d" 2>/dev/null; then
  : >"$d/stdout"; : >"$d/stderr"
  {{
    sh -c "$run" hob "$d/run" "$token" "$@" </dev/null >"$d/stdout" 2>"$d/stderr"
    echo $? >"$d/code"; mv "$d/code" "$d/end"
  }} </dev/null >/dev/null 2>&1 & started=$!
  trap : ALRM
  {{ sleep "$patience"; kill -ALRM $$; }} </dev/null >/dev/null 2>&1 & timer=$!
  wait "$started"
  kill "$timer" 2>/dev/null
fi
set -- 0 0 "$piece"
{_LOOK}
"""


class Call:
    """One command over there: where it is, how far its streams have been read, whether we want it ended."""

    def __init__(self, link: Link, number: int, output: Output) -> None:
        self.output = output
        self.stop = asyncio.Event()
        self._link = link
        self._folder = f"{link.scratch}/calls/{number}"
        self._token = f"{link.mark}{number};"
        self._read = {"stdout": 0, "stderr": 0}
        self._ended = False
        self._code: int | None = None

    async def follow(
        self, command: Sequence[str], env: Mapping[str, str], timeout_s: float
    ) -> ExecResult:
        """Run it to its end, its limit or `stop`. Raises `RemoteError` when contact is lost."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        start = (self._folder, self._token, str(_PATIENCE_S), str(_PIECE_BYTES), RUN, *command)
        code = self._take(await asyncio.to_thread(self._link.script, _START, *start, env=env))
        pause = _PAUSE_S[0]
        while code is None:
            if not self._ended and (loop.time() >= deadline or self.stop.is_set()):
                await self._end()
                return self.output.result(None, timed_out=True)
            if not self._ended and self.output.seen_bytes > _MAX_BYTES:
                await self._end()
                said = f"\n[stopped: it wrote more than {_MAX_BYTES >> 20} MB, which a far machine keeps on disk]\n"
                self.output.add("stderr", said.encode())
                return self.output.result(126)
            seen = self.output.seen_bytes
            if not self._ended:
                await self._wait(min(pause, max(0.0, deadline - loop.time())))
            code = await self._look()
            pause = min(pause * 1.5, _PAUSE_S[1]) if self.output.seen_bytes == seen else _PAUSE_S[0]
        return self.output.result(code)

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.stop.wait(), seconds)
        except TimeoutError:
            return

    async def _look(self) -> int | None:
        """Take what is new; return the exit code if there is one and nothing is left to read."""
        if self._code is not None:
            return self._code
        for attempt in range(_TRIES):
            where = (self._folder, *map(str, self._read.values()), str(_PIECE_BYTES))
            try:
                said = await asyncio.to_thread(self._link.script, _AGAIN, *where)
            except RemoteError:
                if attempt == _TRIES - 1:
                    raise
                await asyncio.sleep(_PAUSE_S[1])
            else:
                return self._take(said)
        raise AssertionError("unreachable")

    def _take(self, said: Completed) -> int | None:
        parts = said.stdout.split(":")
        state = parts[0].strip() if len(parts) == 3 else said.stdout.strip()
        if len(parts) != 3:
            cause = "its folder there is gone" if state == "gone" else said.stderr.strip() or state
            raise RemoteError(f"the command's outcome is unknown: {cause}")
        state, out, err = parts[0].partition("\n")[0], parts[0].partition("\n")[2], parts[1]
        full = False
        for stream, text in (("stdout", out), ("stderr", err)):
            data = base64.b64decode(text)
            self._read[stream] += len(data)
            full = full or len(data) >= _PIECE_BYTES
            self.output.add(stream, data)
        self._ended = state != "runs"
        if self._ended and not full:
            self._code = int(state)
        return self._code

    async def _end(self) -> None:
        """Ask it to stop, kill the whole tree, take the rest of what it printed."""
        leader = ""
        for signal, grace_s in _ASKED:
            if not self._ended:
                leader = await self._ask(signal, grace_s) or leader
        # What it started may live on even if it has ended itself.
        await asyncio.to_thread(self._link.end, self._token, leader)
        for _ in range(_LAST_LOOKS):
            if await self._look() is not None:
                return
            await asyncio.sleep(0 if self._ended else 0.05)

    async def _ask(self, signal: str, grace_s: float) -> str:
        """Send a signal and leave it a moment, in which the server is free for others."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace_s
        asked = await asyncio.to_thread(self._link.script, ASK, signal, f"{self._folder}/run")
        while not self._ended and loop.time() < deadline:
            await asyncio.sleep(0.05)
            await self._look()
        return asked.stdout.strip()


async def run_far(
    link: Link,
    number: int,
    output: Output,
    command: Sequence[str],
    env: Mapping[str, str],
    timeout_s: float,
) -> ExecResult:
    """Run a command on the far side; lost contact is an `ExecResult` too. Cancelled, its tree is killed first."""
    call = Call(link, number, output)
    work = asyncio.ensure_future(call.follow(command, env, timeout_s))
    try:
        await asyncio.wait((work,))
    except asyncio.CancelledError:
        call.stop.set()
        await uninterrupted(_settled(work))
        raise
    try:
        return work.result()
    except RemoteError as error:
        output.add("stderr", str(error).encode())
        return output.result(126)


async def _settled(work: "asyncio.Future[ExecResult]") -> None:
    await asyncio.wait((work,))
    if not work.cancelled():
        work.exception()
