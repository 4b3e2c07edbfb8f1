"""What commands left running in a container or on another machine."""

import time
from collections.abc import Sequence

from hob.core.ports import Job


class Started:
    """When each command was started, to tell the age of what it left."""

    def __init__(self) -> None:
        self._at: dict[int, float] = {}

    def note(self, number: int) -> None:
        """Remember that a command starts now."""
        self._at[number] = time.monotonic()

    def jobs(self, told: str) -> Sequence[Job]:
        """Return the jobs in what `JOBS` told, oldest first."""
        found: dict[int, list[tuple[int, str]]] = {}
        for line in told.splitlines():
            pid, number, command = [*line.split(" ", 2), "", ""][:3]
            if pid.isdecimal() and number.isdecimal():
                found.setdefault(int(number), []).append((int(pid), command.strip()))
        return [
            Job(
                f"job-{number}",
                tuple(pid for pid, _ in found[number]),
                found[number][0][1],
                round(time.monotonic() - self._at.get(number, time.monotonic()), 1),
            )
            for number in sorted(found)
        ]
