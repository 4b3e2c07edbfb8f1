"""Commands become events, or are refused."""

from typing import assert_never

from hob.core import events as e
from hob.core.commands import Cancel, Command, Compact, Decide, Prompt, Rename, Withdraw
from hob.core.errors import CommandRefused
from hob.core.permission import Decision
from hob.core.session import Session
from hob.core.upkeep import nothing_to_compact


def admit(s: Session, command: Command) -> tuple[e.Event, ...]:
    """Return the events that a command amounts to; none if it changes nothing. Raises `CommandRefused`."""
    match command:
        case Prompt(input_id, text, delivery, limits):
            if any(q.input_id == input_id for q in s.queue):
                return ()
            if not text.strip():
                raise CommandRefused("The prompt is empty: say what is to be done.")
            return (e.InputQueued(input_id, text, delivery, limits),)
        case Withdraw(input_id):
            if not any(q.input_id == input_id for q in s.queue):
                raise CommandRefused(
                    f"Input {input_id!r} is not waiting: it was delivered or never sent."
                )
            return (e.InputWithdrawn(input_id),)
        case Decide(call_id, allowed, reason, code):
            if s.cancelling or not any(
                c.call.call_id == call_id and c.status == "asked" for c in s.calls
            ):
                raise CommandRefused(f"No question is open for call {call_id!r}.")
            verdict = "allow" if allowed else "deny"
            words = reason or ("" if allowed else "The person said no.")
            decision = Decision(verdict, "person", words, code)
            return (e.PermissionDecided(call_id, decision, "person"),)
        case Cancel():
            return () if s.phase == "idle" or s.cancelling else (e.CancelRequested(),)
        case Compact(focus):
            if problem := nothing_to_compact(s):
                raise CommandRefused(problem)
            return (e.CompactionAsked(focus),)
        case Rename(name):
            return (e.SessionNamed(name),)
        case _:
            assert_never(command)
