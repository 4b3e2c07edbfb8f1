"""What the probe and the search report, typed, and what is made of it."""

import re
from typing import Any

import msgspec
from msgspec import Struct, field

from hob.models.offline.repairs.generate import Candidate, generate, values_in
from hob.models.offline.repairs.scene import Clues

NUMBERED = re.compile(r"^\s*(\d+)\t(.*)$", re.DOTALL)
MAX_TRIES = 2400
BATCH = 600
BATCH_CHARACTERS = 45_000


class Failure(Struct, frozen=True):
    """One failing test."""

    id: str
    error: str | None = ""
    message: str | None = ""
    frames: list[tuple[str, int, str]] | None = None


class Suspect(Struct, frozen=True):
    """One file that failing tests execute: `hot` maps scores (percent) to line ranges."""

    path: str
    lines: int
    sha: str
    hot: dict[str, str]


class Probe(Struct, frozen=True):
    """What the first run of the suite showed."""

    python: str = ""
    pytest: bool = False
    plain: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    total: int = 0
    n_bad: int = 0
    slowest: float = 0.0
    bad: list[Failure] = field(default_factory=list[Failure])
    bad_ids: list[str] = field(default_factory=list[str])
    files: list[Suspect] = field(default_factory=list[Suspect])
    problem: str = ""


class Found(Struct, frozen=True):
    """What one search showed: numbers into the batch that was sent."""

    tried: int = 0
    last: int = -1
    green: list[int] = field(default_factory=list[int])
    aimed: list[int] = field(default_factory=list[int])
    hangs: int = 0
    seconds: float = 0.0
    problem: str = ""


def as_probe(report: dict[str, Any]) -> Probe | None:
    """Read a probe's report; None if it does not fit."""
    try:
        return msgspec.convert(report, Probe)
    except msgspec.ValidationError:
        return None


def as_found(report: dict[str, Any]) -> Found | None:
    """Read a search's report; None if it does not fit."""
    try:
        return msgspec.convert(report, Found)
    except msgspec.ValidationError:
        return None


def numbered_lines(content: str) -> dict[int, str]:
    """Return the lines that `read_file` showed, without the numbers; notes are left out."""
    lines: dict[int, str] = {}
    for line in content.split("\n"):
        found = NUMBERED.match(line)
        if found:
            lines[int(found[1])] = found[2]
    return lines


def clues_of(probe: Probe, test_text: str) -> Clues:
    """Gather what the failures say."""
    messages = tuple(failure.message or "" for failure in probe.bad)
    numbers, strings = values_in(messages)
    frames = [(path, line) for failure in probe.bad for path, line, _ in (failure.frames or [])]
    return Clues(
        errors=tuple(failure.error or "" for failure in probe.bad),
        messages=messages,
        frames=tuple(dict.fromkeys(frames)),
        numbers=numbers,
        strings=strings,
        words=tuple(dict.fromkeys(re.findall(r"\w+", test_text)))[:400],
    )


def rank(probe: Probe, texts: dict[str, str], test_text: str) -> tuple[Candidate, ...]:
    """Return all candidates for the files that were read, best first, within the bound."""
    clues = clues_of(probe, test_text)
    found: list[Candidate] = []
    for number, suspect in enumerate(probe.files):
        if suspect.path in texts:
            found += generate(texts[suspect.path], suspect.path, suspect.hot, clues, number)
    found.sort(
        key=lambda one: (-one.worth, one.file, len(one.patch.text), one.patch.start, one.patch.text)
    )
    return tuple(found[:MAX_TRIES])


def batch(candidates: tuple[Candidate, ...], start: int) -> list[list[Any]]:
    """Return the next candidates as the search script wants them, short enough for one command."""
    rows: list[list[Any]] = []
    size = 0
    for one in candidates[start : start + BATCH]:
        rows.append([one.file, one.patch.start, one.patch.end, one.patch.text])
        size += len(one.patch.text.encode()) + 24
        if size > BATCH_CHARACTERS:
            break
    return rows


def choose(candidates: tuple[Candidate, ...], start: int, green: list[int]) -> list[Candidate]:
    """Order the candidates that repaired everything: plausible first, then small."""
    found = [candidates[start + number] for number in green if start + number < len(candidates)]
    return sorted(
        found,
        key=lambda one: (
            -one.worth / (1.0 + (one.patch.end - one.patch.start + len(one.patch.text)) / 60)
        ),
    )
