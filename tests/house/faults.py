"""Deliberate faults in the heart: each must be caught by the tests of core and loop.

`python tests/house/faults.py` plants all of them, one at a time, in a copy of the tree and prints
which were caught.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# (file under src/hob, what stands there exactly once, what is planted)
FAULTS: list[tuple[str, str, str]] = [
    # reduce
    ("core/session.py", "queue=(*s.queue, item)", "queue=(item, *s.queue)"),
    ("core/session.py", "if q.input_id != input_id),\n        phase", "if q.input_id == input_id),\n        phase"),
    ("core/session.py", 'phase="tools" if message.calls else "answered"', 'phase="tools"'),
    ("core/session.py", 'phase="failed" if failed.final else "ready"', 'phase="ready"'),
    ("core/session.py", 'or any(c.status != "done" for c in s.calls)', 'or all(c.status != "done" for c in s.calls)'),
    ("core/transcript.py", "grown = list(messages)", "grown = list(messages[1:])"),
    ("core/session.py", "messages=(*s.messages, message)", "messages=(*s.messages[1:], message)"),
    ("core/session.py", "starts = next((c.starts for c in s.calls if c.call.call_id == call_id), 0) + 1", "starts = 1"),
    ("core/session.py", "attempt=0,\n        delay_s=0.0,\n        turn=s.turn.plus", "delay_s=0.0,\n        turn=s.turn.plus"),
    ("core/totals.py", "self.steps + (message is not None),", "self.steps,"),
    ("core/totals.py", "self.completion_tokens + completion,", "self.completion_tokens,"),
    ("core/session.py", "        turn=Totals(),\n", ""),
    ("core/session.py", "cancelling=False,\n                outcome", "outcome"),
    ("core/session.py", 'status = "allowed" if decision.verdict == "allow" else "denied"', 'status = "allowed"'),
    ("core/session.py", "s.blocked + (decision.code == APPROVAL_REQUIRED)", "s.blocked"),
    ("core/session.py", 'nudges=s.nudges + (cause == "stuck")', "nudges=s.nudges + 1"),
    ("core/session.py", "            failure, unacknowledged = f\"{c.call.arguments}\\n{c.result.content}\", 0", "            failure = c.result.content"),
    ("core/session.py", "if c.result.is_error and is_failed", "if is_failed"),
    ("core/session.py", "limits=limits,\n        turn_started_at=s.at", "limits=limits,\n        turn_started_at=0"),
    ("core/session.py", "if failed.partial:", "if not failed.partial:"),
    ("core/session.py", "if verdict.by == \"person\":", "if True:"),
    ("core/session.py", 'c.status in ("asked", "allowed") or', 'c.status == "asked" or'),
    ("core/session.py", "s.at - (before.at - before.turn_started_at)", "before.turn_started_at"),
    ("core/session.py", "limits=item.limits, turn=Totals(), turn_started_at=s.at", "limits=item.limits"),
    ("core/session.py", "0 if progress.fresh >= FORGIVEN_AFTER else s.nudges", "s.nudges"),
    # plan
    ("core/plan.py", "    if s.cancelling:\n        return Record((*_finish_all(s, CANCELLED), e.TurnFinished(\"cancelled\")))\n", ""),
    ("core/plan.py", "*_finish_all(s, CANCELLED), ", ""),
    ("core/plan.py", 'for c in s.calls if c.status != "done")', "for c in s.calls)"),
    ("core/plan.py", "final = s.attempt >= s.limits.max_attempts", "final = False"),
    ("core/plan.py", 'c.status == "running" and c.replay == "never"', "False"),
    ("core/plan.py", 'c.status in ("running", "allowed") and c.starts >= MAX_STARTS', "False"),
    ("core/plan.py", 'next((q for q in s.queue if q.delivery == "steer"), None)', "next(iter(s.queue), None)"),
    ("core/plan.py", "if s.turn.steps >= limits.max_steps:", "if s.turn.steps > limits.max_steps:"),
    ("core/plan.py", "_elapsed_s(s) >= limits.max_wall_s", "_elapsed_s(s) < limits.max_wall_s"),
    ("core/plan.py", "s.turn.completion_tokens >= limits", "s.turn.completion_tokens > limits"),
    ("core/plan.py", "if s.blocked >= MAX_BLOCKED:", "if s.blocked > MAX_BLOCKED:"),
    ("core/plan.py", "limits, attempt = s.limits, s.attempt + 1", "limits, attempt = s.limits, max(s.attempt, 1)"),
    ("core/plan.py", 'if c.status == "asked":\n            break', 'if c.status == "asked":\n            continue'),
    ("core/plan.py", 'not in ("none", "read"):', 'not in ("none", "read", "write"):'),
    ("core/plan.py", "return tuple(batch) or (c,)", "return (*batch, c)"),
    ("core/plan.py", "if s.nudges:", "if s.nudges > 1:"),
    ("core/plan.py", "index >= limits.max_calls_per_step", "index > limits.max_calls_per_step"),
    ("core/plan.py", "s.unacknowledged < MAX_UNACKNOWLEDGED", "s.unacknowledged >= 0"),
    ("core/plan.py", "if s.cuts >= MAX_CUTS or _ending(s):", "if _ending(s):"),
    ("core/plan.py", 'e.TurnFinished("unreached" if gave_up else "done")', 'e.TurnFinished("done")'),
    ("core/plan.py", "        min(s.delay_s, MAX_DELAY_S),\n", "        0.0,\n"),
    ("core/plan.py", "        s.totals.steps + 1,\n", "        s.turn.steps + 1,\n"),
    # what stands around them
    ("core/admit.py", "if any(q.input_id == input_id for q in s.queue):\n                return ()", "if False:\n                return ()"),
    ("core/admit.py", 'if s.phase == "idle" or s.cancelling', 'if s.phase == "idle"'),
    ("core/progress.py", "self.seen, self.stale + 1)", "self.seen, 0)"),
    ("core/progress.py", "four[0] == four[2] and four[1] == four[3]", "four[0] == four[2]"),
    ("loop/log.py", "self.session = fold(recorded, self.session)", "self.session = fold(recorded[:1], self.session)"),
    ("loop/log.py", "await self._append(self.session.session_id, pending, now)", "await self._append(self.session.session_id, list(facts), now)"),
    ("loop/loop.py", "if not task.done():\n            task.cancel()", "if not task.done():\n            pass"),
    ("loop/perform.py", 'f"{step}.{i}"', 'f"1.{i}"'),
    # the window
    ("core/transcript.py", "and not isinstance(grown[-1], AssistantMessage)", "and False"),
    ("core/upkeep.py", "return min(sizes) if sizes else None", "return max(sizes) if sizes else None"),
    ("core/upkeep.py", "s.totals.steps - s.compacted_at >= STEPS_BETWEEN", "s.totals.steps > s.compacted_at"),
    ("core/upkeep.py", "tokens > (1 - MUST_BE_FREE) * window", "False"),
    ("core/upkeep.py", "not ask or attempt > SUMMARY_ATTEMPTS", "not ask"),
    ("core/upkeep.py", "int(s.limits.context.low_water * window) - s.gauge.head_tokens", "int(s.limits.context.low_water * window)"),
    ("core/compaction.py", "record.asked[0] if record.asked else _goal(messages)", "_goal(messages)[:20]"),
    ("core/compaction.py", "if tail and (results > retain or used > room):", "if tail and used > room:"),
    ("core/compaction.py", "(saved := size - estimate_message(stub)) <= 0", "(saved := size - estimate_message(stub)) > 0"),
    ("core/compaction.py", 'replace(one, reasoning="")', "one"),
    ("core/compaction.py", "return (*messages[:-1], replace(last, content=f\"{last.content}\\n\\n[{wish}]\"))", "return (*messages[1:], UserMessage(wish))"),
    ("core/session.py", "gauge=s.gauge.anew(compacted.messages)", "gauge=s.gauge"),
    ("core/session.py", 'phase="answered" if s.only_compacting else "ready"', 'phase="ready"'),
    ("core/session.py", "gauge=s.gauge.plus(grown[len(s.messages) :])", "gauge=s.gauge"),
    ("core/gauge.py", "self.prompt + self.answer + self.ratio.of(self.appended)", "self.prompt + self.answer"),
    ("core/reuse.py", "lost <= max(SLACK_TOKENS, SLACK_SHARE * known)", "lost <= 0"),
    ("core/reuse.py", "if cached is None or reply.aside:", "if cached is None:"),
    ("core/reuse.py", "return read if shrunk or short else None", "return read if short else None"),
    ("core/plan.py", "return after_overflow(s) or Record((e.TurnFinished", "return Record((e.TurnFinished"),
    ("loop/compaction.py", '"model" if words else "rule"', '"model"'),
    ("loop/perform.py", "if not again:  # once more", "if False:  # once more"),
]  # fmt: skip

QUICK = (4, 13, 21, 25, 61)  # one of each kind, for the run before every commit


def caught(fault: tuple[str, str, str], folder: Path) -> bool:
    """Plant one fault in a copy of the tree under `folder` and tell whether the tests fail."""
    path, old, new = fault
    for name in ("src", "tests/core", "tests/loop"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    target = folder / "src/hob" / path
    text = target.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
    target.write_text(text.replace(old, new), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "tests/core",
        "tests/loop",
    ]
    try:
        run = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        return True  # a loop that never ends is noticed too
    return run.returncode == 1


def main() -> int:
    """Plant every fault and say how many of how many were caught."""
    missed = 0
    for fault in FAULTS:
        with tempfile.TemporaryDirectory() as folder:
            found = caught(fault, Path(folder))
        missed += not found
        print("caught" if found else "MISSED", fault[0], repr(fault[2][:70]), flush=True)
    print(f"{len(FAULTS) - missed} of {len(FAULTS)} planted faults were caught")
    return missed


if __name__ == "__main__":
    sys.exit(main())
