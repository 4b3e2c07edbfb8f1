"""A command-line client of an engine: run as a child, read to its end, never left behind."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from subprocess import DEVNULL, PIPE
from typing import Any

from hob.sandboxes.output import Output

_CHUNK = 65536


async def attend(argv: Sequence[str], env: Mapping[str, str], output: Output) -> int:
    """Run a client and hand on what it prints; return its exit code. Cancelled, it is killed.

    Raises `OSError` or `ValueError` if it cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *argv, env=env, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, start_new_session=True
    )
    readers = [
        asyncio.ensure_future(_read(name, stream, output))
        for name, stream in (("stdout", process.stdout), ("stderr", process.stderr))
        if stream is not None
    ]
    try:
        await asyncio.gather(*readers)
        return await process.wait()
    finally:
        for reader in readers:
            reader.cancel()
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _read(name: str, stream: asyncio.StreamReader, output: Output) -> None:
    while data := await stream.read(_CHUNK):
        output.add(name, data)


async def uninterrupted(work: Coroutine[Any, Any, None]) -> None:
    """Finish a piece of cleaning up that has a time limit of its own; a cancellation comes after it."""
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            cancelled = True
    await task
    if cancelled:
        raise asyncio.CancelledError
