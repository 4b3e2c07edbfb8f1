"""Which process we are, in words by which another Hob can tell later whether we still live."""

import os
from pathlib import Path


def process_mark(pid: int = 0) -> str:
    """Return boot, PID namespace, pid and start time of a process (ours for 0); "" without a Linux /proc."""
    pid = pid or os.getpid()
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        space = Path(f"/proc/{pid}/ns/pid").readlink()
        # The second field is a name in parentheses that may hold anything; start time is field 22.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return ""
    return f"{boot} {space} {pid} {int(fields[19])}"


def is_gone(mark: str) -> bool:
    """Return whether the process of a mark is certainly dead: same boot, same namespace, not there."""
    ours, theirs = process_mark().split(" "), mark.split(" ")
    if len(ours) != 4 or len(theirs) != 4 or ours[:2] != theirs[:2] or not theirs[2].isdecimal():
        return False
    return not Path(f"/proc/{theirs[2]}").exists() or process_mark(int(theirs[2])) not in {mark, ""}
