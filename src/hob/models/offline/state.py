"""How far a repair has come. It is derived from the messages and from nothing else."""

from typing import Literal

from msgspec import Struct, field

from hob.models.offline.change import Change
from hob.models.offline.findings import Probe
from hob.models.offline.moves import Act
from hob.models.offline.repairs.generate import Candidate
from hob.models.offline.wish import Wish

Phase = Literal[
    "rest",  # the last turn is over; waits for a request
    "custom",  # runs the person's own test command
    "probe",  # runs the suite in a scratch copy, with tracing
    "read",  # reads a failing test and the suspicious files
    "search",  # tries candidates in a scratch copy
    "edit",  # puts the repair into the real file
    "verify",  # runs the whole suite on the real files
    "undo",  # takes the repair back
    "look",  # reads the file to see which text stands there
    "end",  # has only a sentence left to say
]


class Task(Struct):
    """One request and what is known about it."""

    wish: Wish = Wish()
    phase: Phase = "rest"
    words: str = ""
    reached: bool = False
    probe: Probe = Probe()
    queue: tuple[str, ...] = ()
    pieces: dict[str, dict[int, str]] = field(default_factory=dict[str, dict[int, str]])
    texts: dict[str, str] = field(default_factory=dict[str, str])
    reads: int = 0
    candidates: tuple[Candidate, ...] = ()
    cursor: int = 0
    batches: int = 0
    tried: int = 0
    searched_s: float = 0.0
    retries: int = 0
    chosen: tuple[Candidate, ...] = ()
    change: Change | None = None
    old_text: str = ""
    applied: Literal["no", "yes", "perhaps"] = "no"
    undone: bool = False


class State(Struct):
    """A session: the task at hand and the calls in flight that this policy asked for."""

    seen: int = 0
    cut: bool = False
    calls: dict[str, Act] = field(default_factory=dict[str, Act])
    task: Task = field(default_factory=Task)


def finish(task: Task, words: str, *, reached: bool = False) -> None:
    """Have only these words left to say; `reached` if what was asked for is so now."""
    task.words, task.reached = words, reached
    task.phase = "end"
