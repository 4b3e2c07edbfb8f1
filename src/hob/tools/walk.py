"""Patterns for paths, and a time limit for what works in a thread."""

import asyncio
from collections.abc import Callable
from fnmatch import translate
from re import Pattern
from re import compile as compile_pattern
from typing import TypeVar

from hob.core.ports import Clock

_MAX_BRACES = 64

Found = TypeVar("Found")


class Watch:
    """Says when a search in a thread has to stop: its time is up, or nobody waits any more."""

    def __init__(self, clock: Clock, limit_s: float) -> None:
        self._clock = clock
        self._end = clock.monotonic_s() + limit_s
        self._stopped = False

    def stop(self) -> None:
        """Ask the search to end."""
        self._stopped = True

    def left_s(self) -> float:
        """Return the seconds that are left, 0 if it has to stop."""
        return 0.0 if self._stopped else max(0.0, self._end - self._clock.monotonic_s())

    def over(self) -> bool:
        """Return whether to stop."""
        return self.left_s() <= 0


async def in_thread(watch: Watch, work: Callable[[], Found]) -> Found:
    """Do work in a thread; when the caller is cancelled, `watch` tells the thread to end."""
    try:
        return await asyncio.to_thread(work)
    except asyncio.CancelledError:
        watch.stop()
        raise


class Glob:
    """A pattern for paths: `*`, `?`, `[…]` in a name, `**` for any directories, `{a,b}`."""

    def __init__(self, pattern: str) -> None:
        if pattern.endswith("**"):
            pattern += "/*"  # everything below, not the directory itself
        self._forms = [
            [None if part == "**" else compile_pattern(translate(part)) for part in form.split("/")]
            for form in _expanded(pattern)
        ]

    def matches(self, path: str) -> bool:
        """Return whether a relative path fits."""
        parts = path.split("/")
        return any(_fits(form, parts) for form in self._forms)


def _fits(form: list[Pattern[str] | None], parts: list[str]) -> bool:
    """Return whether the names fit, keeping all places in the pattern where a name may be.

    Never more steps than names times pattern parts, whatever the pattern.
    """
    here = _open(form, {0})
    for part in parts:
        inside = [place for place in here if place < len(form)]
        kept = {place for place in inside if form[place] is None}
        passed = {place + 1 for place in inside if (name := form[place]) and name.match(part)}
        here = _open(form, kept | passed)
    return len(form) in here


def _open(form: list[Pattern[str] | None], places: set[int]) -> set[int]:
    """Return the places with those added that `**` reaches by standing for no directory at all."""
    for place in range(len(form)):
        if place in places and form[place] is None and place + 1 < len(form):
            places.add(place + 1)
    return places


def _expanded(pattern: str) -> list[str]:
    """Return the patterns that `{a,b}` stands for, at most 64."""
    forms = [pattern]
    done: list[str] = []
    while forms and len(forms) + len(done) < _MAX_BRACES:
        form = forms.pop(0)
        start = form.find("{")
        end = form.find("}", start)
        if start < 0 or end < 0:
            done.append(form)
        else:
            choices = form[start + 1 : end].split(",")
            forms += [form[:start] + choice + form[end + 1 :] for choice in choices]
    return done + forms
