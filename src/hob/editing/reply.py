"""A whole reply carried out on texts: all of its edits, or none and a report on each."""

import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from hob.editing.asked import Asked, Edit, Patch, Write, safe_path
from hob.editing.blocks import parse_blocks, parse_whole
from hob.editing.engine import edit
from hob.editing.outcome import Check, Edited, EditRefused
from hob.editing.udiff import apply_hunks, parse_udiff

FORMATS = ("editblock", "diff", "diff-fenced", "whole", "udiff")
_LEFT_OUT = re.compile(
    r"^\s*(?:#|//|--|/\*|<!--|;|%|\*)?\s*(?:(?:\.\.\.|…).{0,40}\b(?:existing|rest|remaining|unchanged|same|omitted)\b"
    r"|\(?(?:the )?(?:rest|remainder) of .{0,40}\b(?:unchanged|same|remains|stays|as before|as is)\b)",
    re.IGNORECASE,
)

Look = Callable[
    [str], str | None
]  # the text of a file, None if there is none; may raise EditRefused


class Done(NamedTuple):
    """What one request came to: `kind` is created, edited, replaced, deleted, moved or copied."""

    path: str
    kind: str
    first_line: int = 1
    last_line: int = 1
    notes: tuple[str, ...] = ()
    source: str = ""


class Outcome(NamedTuple):
    """The new text of every file that a reply touches (None: deleted), and what was done, in order."""

    texts: dict[str, str | None]
    done: tuple[Done, ...]


def parse(reply: str, format: str) -> Sequence[Asked]:
    """Return what a reply asks for, in order; empty if it asks for nothing.

    `format` is one of `FORMATS` ("diff" is another name of "editblock"). Raises `EditRefused`.
    """
    if format not in FORMATS:
        raise EditRefused(f"there is no edit format {format!r}; give one of {', '.join(FORMATS)}")
    reply = reply.replace("\r\n", "\n") if format != "udiff" else reply
    if format == "udiff":
        return parse_udiff(reply)
    return parse_whole(reply) if format == "whole" else parse_blocks(reply)


def apply_reply(files: Mapping[str, str], reply: str, format: str) -> dict[str, str]:
    """Return all files as they are after a reply: untouched ones too, deleted ones not.

    `files` maps paths to texts. Raises `EditRefused`, whose message says for each edit that does not
    apply why; then nothing is changed.
    """
    outcome = carry_out(parse(reply, format), files.get, names=tuple(files))
    result = dict(files)
    for path, text in outcome.texts.items():
        if text is None:
            result.pop(path, None)
        else:
            result[path] = text
    return result


def carry_out(
    asked: Sequence[Asked],
    look: Look,
    *,
    names: Sequence[str] = (),
    check: Callable[[str], Check | None] | None = None,
) -> Outcome:
    """Return what requests come to, each on top of those before it; nothing is written.

    `look` reads a file, `names` are the files that are known (for base names, typing errors and texts
    that stand elsewhere), `check` gives the syntax check of a path. Raises `EditRefused` with a report.
    """
    if not asked:
        raise EditRefused("the reply holds no edit in this format; nothing was changed")
    desk = _Desk(look, names, check)
    done: list[Done] = []
    refused: list[str] = []
    for number, one in enumerate(asked, 1):
        try:
            done.append(desk.carry_out(one))
        except EditRefused as refusal:
            path = _named(one)
            refused.append(
                f"edit {number} ({path!r}, line {one.place.first + 1} of the reply): {refusal}"
            )
    if refused:
        count = (
            f"{len(refused)} of {len(asked)} edits do not apply"
            if len(asked) > 1
            else "The edit does not apply"
        )
        raise EditRefused(
            "\n".join(
                [f"Nothing was changed. {count}; send all of them again, corrected.", *refused]
            )
        )
    return Outcome(desk.changed(), tuple(done))


def _named(one: Asked) -> str:
    if isinstance(one, Patch):
        return one.target or one.source or ""
    return one.path


class _Desk:
    """The files as the edits so far have made them."""

    def __init__(
        self, look: Look, names: Sequence[str], check: Callable[[str], Check | None] | None
    ) -> None:
        self._look = look
        self._names = names
        self._check = check
        self._before: dict[str, str | None] = {}
        self._now: dict[str, str | None] = {}

    def changed(self) -> dict[str, str | None]:
        """Return the texts that are not what they were."""
        return {path: text for path, text in self._now.items() if text != self._before[path]}

    def carry_out(self, one: Asked) -> Done:
        """Do one request. Raises `EditRefused`."""
        match one:
            case Edit():
                return self._edit(one)
            case Write():
                return self._write(one)
            case Patch():
                return self._patch(one)

    def _text(self, path: str) -> str | None:
        if path not in self._now:
            self._before[path] = self._now[path] = self._look(path)
        return self._now[path]

    def _edit(self, one: Edit) -> Done:
        if not one.search.strip():
            path = safe_path(one.path)
            before = self._text(path)
            if before:
                raise EditRefused(
                    f"SEARCH is empty and {path!r} has text; put the lines to be replaced into SEARCH"
                )
            if one.search or not one.replace:
                raise EditRefused("SEARCH is blank; put the lines to be replaced into it")
            self._now[path] = one.replace
            return Done(path, "edited" if before == "" else "created", 1, _height(one.replace))
        path = self._existing(one.path)
        before = self._text(path) or ""
        edited = self._with_hint(
            path,
            one.search,
            lambda: edit(before, one.search, one.replace, path=path, check=self._checked(path)),
        )
        self._now[path] = edited.text
        return Done(path, "edited", edited.first_line, edited.last_line, edited.notes)

    def _write(self, one: Write) -> Done:
        path = safe_path(one.path)
        before = self._text(path)
        content = one.content
        if before is None:
            self._now[path] = content
            return Done(path, "created", 1, _height(content))
        known = set(before.replace("\r\n", "\n").split("\n"))
        for number, line in enumerate(content.split("\n"), 1):
            if _LEFT_OUT.match(line) and line not in known:
                raise EditRefused(
                    f"line {number} ({line.strip()!r}) leaves out a part of the file; send the whole file"
                )
        self._now[path] = _dressed(before, content)
        return Done(path, "replaced", 1, _height(content))

    def _patch(self, one: Patch) -> Done:
        if one.source is None:
            return self._created(safe_path(one.target or ""), one)
        source = self._existing(one.source)
        if one.target is None:
            return self._deleted(source, one)
        target = source if one.target == one.source else safe_path(one.target)
        before = self._text(source) or ""
        search = "".join(one.hunks[0].old) if one.hunks else ""
        edited = self._with_hint(
            source,
            search,
            lambda: apply_hunks(before, one.hunks, path=target, check=self._checked(target)),
        )
        if target != source:
            if self._text(target) is not None:
                raise EditRefused(
                    f"{target!r} is there already; nothing is moved or copied onto a file"
                )
            if not one.keeps:
                self._now[source] = None
        self._now[target] = edited.text
        kind = "edited" if target == source else "copied" if one.keeps else "moved"
        moved_from = "" if target == source else source
        return Done(target, kind, edited.first_line, edited.last_line, edited.notes, moved_from)

    def _created(self, path: str, one: Patch) -> Done:
        if self._text(path):
            raise EditRefused(f"{path!r} is there already and has text; send a patch of that text")
        if any(hunk.old for hunk in one.hunks):
            raise EditRefused(f"the patch makes {path!r} anew, but it removes lines or has context")
        content = "".join(line for hunk in one.hunks for line in hunk.new)
        self._now[path] = content
        return Done(path, "created", 1, _height(content))

    def _deleted(self, path: str, one: Patch) -> Done:
        before = self._text(path) or ""
        left = apply_hunks(before, one.hunks, path=path).text if one.hunks else before
        if left:
            raise EditRefused(
                f"the patch deletes {path!r}, but does not show all of its text; read the file and send the patch again"
            )
        self._now[path] = None
        return Done(path, "deleted")

    def _existing(self, path: str) -> str:
        """Return the path of a file that is there. Raises `EditRefused` with the nearest names."""
        path = safe_path(path)
        if self._text(path) is not None:
            return path
        ends = [
            name
            for name in self._names
            if name.endswith(f"/{path}") and self._text(name) is not None
        ]
        if len(ends) == 1:
            return ends[0]
        if ends:
            raise EditRefused(
                f"{path!r} could be each of {', '.join(map(repr, sorted(ends)[:5]))}; give the whole path"
            )
        near = get_close_matches(path, self._names, n=3, cutoff=0.6)
        hint = f" Closest: {', '.join(map(repr, near))}." if near else ""
        raise EditRefused(f"there is no file {path!r}.{hint} An empty SEARCH makes a new file.")

    def _with_hint(self, path: str, search: str, work: Callable[[], Edited]) -> Edited:
        """Do an edit; if it is refused, say which other file has the text. It is never applied there."""
        try:
            return work()
        except EditRefused as refusal:
            wanted = search.strip("\n")
            own = (self._text(path) or "").replace("\r\n", "\n")
            if not wanted.strip() or wanted in own:
                raise
            others = [
                name
                for name in sorted({*self._names, *self._now})
                if name != path and wanted in (self._text(name) or "").replace("\r\n", "\n")
            ]
            if not others:
                raise
            raise EditRefused(
                f"{refusal}\nThe text stands in {', '.join(map(repr, others[:3]))}; if that is meant, give that path."
            ) from None

    def _checked(self, path: str) -> Check | None:
        return self._check(path) if self._check is not None else None


def _dressed(before: str, content: str) -> str:
    """Return new content with the line endings and the byte order mark of the old."""
    ends = before.count("\n")
    if ends and before.count("\r\n") == ends:
        content = content.replace("\r\n", "\n").replace("\n", "\r\n")
    if before.startswith("\ufeff") and not content.startswith("\ufeff"):
        content = f"\ufeff{content}"
    return content


def _height(text: str) -> int:
    return max(1, text.count("\n") + (not text.endswith("\n")))
