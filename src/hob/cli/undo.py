"""`hob undo`, `redo`, `diff`, `restore`: say what is covered, act, and say what was left alone."""

import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence

from hob.cli.terminal import Palette, harmless, one_line
from hob.sessions.patch import Patch
from hob.sessions.service import Sessions
from hob.sessions.undo import Conflict, Outcome, Plan, Undo, Wish, place_before

LEFT_ALONE = 10
MAX_DIFF_LINES = 60


async def undo_command(
    options: Namespace,
    sessions: Sessions,
    undo: Undo,
    workspace: str,
    environment: Mapping[str, str],
) -> int:
    """Carry out one of the four commands and return the exit code."""
    name = options.session
    session_id = await sessions.find(name) if name else await sessions.latest(workspace)
    desk = _Desk(options, sessions, undo, Palette.for_stream(sys.stdout, environment))
    match options.command:
        case "diff":
            desk.show_diff(await undo.diff(session_id))
            return 0
        case "restore" if not options.files:
            return await desk.restore_conversation(session_id)
        case "redo":
            return await desk.restore(session_id, "redo", Wish())
        case _:
            return await desk.restore(session_id, "undo", desk.wish())


class _Desk:
    def __init__(self, options: Namespace, sessions: Sessions, undo: Undo, colour: Palette) -> None:
        self._options, self._sessions, self._undo, self._colour = options, sessions, undo, colour

    def wish(self) -> Wish:
        """Return how far back the person wants to go."""
        return Wish(self._options.steps, self._options.turn, self._options.call)

    async def restore(self, session_id: str, direction: str, wish: Wish) -> int:
        """Show the plan, carry it out, tell what came of it."""
        plan = await self._undo.look(session_id, direction, wish)
        self._announce(session_id, plan)
        if self._options.dry_run:
            self._leave(plan.conflicts)
            return LEFT_ALONE if plan.conflicts else 0
        outcome = await self._undo.restore(session_id, direction, wish)
        self._tell(outcome)
        return LEFT_ALONE if outcome.conflicts else 0

    async def restore_conversation(self, session_id: str) -> int:
        """Fork the conversation before the calls in question, after their files were put back if wanted."""
        recorded = await self._sessions.recorded(session_id)
        calls = await self._calls(session_id)
        place = place_before(recorded, calls[0], turn=self._options.turn)
        both = not self._options.conversation
        if self._options.dry_run:
            code = await self.restore(session_id, "undo", self.wish()) if both else 0
            print(f"The conversation would go on from event {place} in a copy.")
            return code
        code = await self.restore(session_id, "undo", self.wish()) if both else 0
        child = await self._sessions.fork(session_id, place)
        if not both:
            note = "Note from the host: the person took the conversation back to here; files stayed as they are now."
            await self._undo.tell(child, f"{note} Read a file again before you change it.")
        print(f"The conversation goes on before call {calls[0]} in a copy: {child}")
        return code

    async def _calls(self, session_id: str) -> Sequence[str]:
        """Return the calls to forget: those that changed files, or the one that was named."""
        if self._options.call:
            return (self._options.call,)
        return (await self._undo.look(session_id, "undo", self.wish())).calls

    def _announce(self, session_id: str, plan: Plan) -> None:
        if plan.resumed:
            print("An earlier one was interrupted; this finishes it.")
        verb = "Taking back" if plan.direction == "undo" else "Doing again"
        calls = "call" if len(plan.calls) == 1 else "calls"
        print(f"{verb} {calls} {', '.join(plan.calls)} of session {session_id}:")
        for leg in plan.legs:
            kinds = (leg.now.kind == "absent", leg.then.kind == "absent")
            sign = {(True, False): "+", (False, True): "-"}.get(kinds, "~")
            print(f"  {sign} {one_line(leg.path, 300)}")
        if not plan.legs:
            print("  nothing to put back")
        for what in plan.uncovered:
            print(f"  not covered: {one_line(what, 300)}")

    def _tell(self, outcome: Outcome) -> None:
        number = len(outcome.paths)
        print(f"{number} path{'' if number == 1 else 's'} put back.")
        self._leave(outcome.conflicts)

    def _leave(self, conflicts: Sequence[Conflict]) -> None:
        for one in conflicts:
            print(f"Left as it is: {one_line(one.path, 300)}: {one_line(one.why, 300)}.")
            lines = one.diff.splitlines()
            for line in lines[:MAX_DIFF_LINES]:
                print(f"    {self._painted(line)}")
            if len(lines) > MAX_DIFF_LINES:
                print(f"    … {len(lines) - MAX_DIFF_LINES} more lines")

    def show_diff(self, patches: Sequence[Patch]) -> None:
        """Print patches, or with --stat one line for each."""
        if not patches:
            print("This session changed no file that is covered, or all of it was taken back.")
            return
        if not self._options.stat:
            for one in patches:
                self._show_patch(one)
            return
        for one in patches:
            note = f"  ({one.note})" if one.note else ""
            print(f" {one_line(one.path, 200)}  +{one.added} -{one.removed}{note}")
        added, removed = sum(one.added for one in patches), sum(one.removed for one in patches)
        print(f" {len(patches)} file{'' if len(patches) == 1 else 's'}, +{added} -{removed}")

    def _show_patch(self, one: Patch) -> None:
        """Print a patch: harmless on a terminal, byte for byte into a file, so that it can be applied."""
        if sys.stdout.isatty():
            for line in one.text.splitlines():
                print(self._painted(line))
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(one.text.encode("utf-8", "surrogateescape"))
            sys.stdout.buffer.flush()

    def _painted(self, line: str) -> str:
        colour = self._colour
        paint = ""
        if not line.startswith(("+++", "---")):
            paint = {"+": colour.good, "-": colour.bad, "@": colour.note}.get(line[:1], "")
        return f"{paint}{harmless(line)}{colour.reset if paint else ''}"
