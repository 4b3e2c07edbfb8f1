"""The worker process: one JSON object a line in, one out. It computes and may neither write nor run anything."""

import base64
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from difflib import unified_diff
from typing import Any

from hob.tools.refactor.operations import ROPE_ERRORS, Outcome, Wish, perform
from hob.tools.refactor.snapshot import Refusal, Snapshot
from hob.tools.refactor.targets import compiles
from hob.tools.refactor.traces import remaining
from hob.tools.refactor.view import View

_MEMORY_BYTES = 4 << 30
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_FORBIDDEN = (
    "subprocess.", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.fork", "socket.",
    "shutil.", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink",
    "os.truncate", "os.chmod", "os.chown",
)  # fmt: skip


class Service:
    """Answers requests about one workspace, keeping what rope has read for the next."""

    def __init__(self, root: str) -> None:
        self._snapshot = Snapshot(root)
        self._view: View | None = None

    def answer(self, wish: Wish, digest: str | None) -> dict[str, Any]:
        """Return what would change. Raises `Refusal`; `digest` is what the sandbox sees at the path."""
        snapshot = self._snapshot
        changed, other_files = snapshot.refresh()
        source = snapshot.sources.get(wish.path)
        if digest is not None and source is not None and source.digest != digest:
            raise Refusal(
                f"{wish.path!r} differs between the sandbox and {snapshot.root!r} on this machine, where"
                " rope reads; change it with grep and edit_file"
            )
        view = self._view
        if view is None or other_files:
            # What rope concluded from a module's absence or presence does not go stale by itself.
            view = self._view = View(snapshot)
        view.look_again()
        view.forget(changed)
        try:
            return self._described(perform(view, snapshot, wish))
        except ROPE_ERRORS as error:
            raise Refusal(f"rope refuses: {str(error) or type(error).__name__}") from error
        finally:
            view.forget(snapshot.overlay)
            snapshot.overlay.clear()

    def _described(self, outcome: Outcome) -> dict[str, Any]:
        snapshot = self._snapshot
        files: list[dict[str, Any]] = []
        diffs = [f"rename from {old}\nrename to {new}\n" for old, new in outcome.moves]
        for path, text in sorted(outcome.texts.items()):
            source = snapshot.sources[path]
            before = source.text or ""
            if text == before:
                continue
            trouble = compiles(path, text)
            if trouble and not compiles(path, before):
                raise Refusal(
                    f"rope's result would be no valid Python, nothing was changed: {trouble}"
                )
            lines = list(_diff(path, before, text))
            diffs.append("".join(lines))
            body = lines[2:]
            files.append({
                "path": path,
                "data": base64.b64encode(source.carry(text)).decode(),
                "added": sum(line.startswith("+") for line in body),
                "removed": sum(line.startswith("-") for line in body),
            })  # fmt: skip
        trace = {}
        if outcome.word:
            trace = remaining(snapshot, outcome.texts, outcome.word, outcome.plain)
        return {
            "files": files,
            "moves": outcome.moves,
            "digests": self._digests(outcome),
            "diff": "".join(diffs),
            "notes": outcome.notes,
            "word": outcome.word,
            "trace": trace,
        }

    def _digests(self, outcome: Outcome) -> dict[str, str]:
        sources = self._snapshot.sources
        moved = tuple(old + "/" for old, _ in outcome.moves)
        names = {*outcome.texts, *(old for old, _ in outcome.moves)}
        return {p: s.digest for p, s in sources.items() if p in names or p.startswith(moved)}


def main(root: str) -> None:
    """Serve until standard input ends or the parent is gone."""
    out = sys.stdout
    sys.stdout = sys.stderr  # whatever a library prints must not get between the answers
    with suppress(OSError, ValueError):  # the limit is lower already, or unknown here
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()
    sys.addaudithook(_guard(root))
    service = Service(root)
    for line in sys.stdin:
        out.write(json.dumps(_reply(service, json.loads(line))) + "\n")
        out.flush()


def _reply(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    try:
        return service.answer(Wish(**request["wish"]), request["digest"])
    except Refusal as refusal:
        return {"refusal": str(refusal)}
    except Exception as error:  # a bug of rope's is an answer, not the end of the worker
        said = f"{type(error).__name__}: {error}"
        return {"refusal": f"rope failed ({said}), nothing was changed; use grep and edit_file"}


def _diff(path: str, before: str, after: str) -> list[str]:
    lines = unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{path}", f"b/{path}"
    )
    return [
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    ]


def _watch(parent: int) -> None:
    """End with the parent: while rope computes, nobody reads standard input."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


def _guard(root: str) -> Callable[[str, tuple[Any, ...]], None]:
    """Return an audit hook (PEP 578) that refuses to write, to start anything, and to run the project's code."""
    prefix = os.path.realpath(root).rstrip("/") + "/"
    # The workspace may be Hob's own, with rope in its virtual environment.
    ours = tuple(os.path.realpath(one) + "/" for one in sys.path if one)

    def guard(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            denied = isinstance(arguments[2], int) and bool(arguments[2] & _WRITING)
        elif event == "exec":
            name = str(getattr(arguments[0], "co_filename", ""))
            denied = name.startswith(prefix) and not name.startswith(ours)
        else:
            denied = event.startswith(_FORBIDDEN)
        if denied:
            raise PermissionError(f"refactoring does not do {event}")

    return guard
