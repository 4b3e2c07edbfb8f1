"""What stays of a context, and what a server is blamed for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hob.core.agent import ContextPolicy, ToolSpec
from hob.core.compaction import Record, compact_context, gist, is_compacted, request_for_summary
from hob.core.gauge import Gauge
from hob.core.messages import (
    AssistantMessage,
    Reply,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
)
from hob.core.reuse import Expected, Reuse, cut_in_silence, measure
from hob.core.tokens import Ratio, estimate_message
from hob.core.transcript import appended, is_strict

GOAL = UserMessage("Make the tests green.")
DIFF = "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,3 @@\n-x = 1\n+x = 2\n+y = 3\n z = 4\n"


def step(n: int, result: str, *, reasoning: str = "", error: bool = False, name: str = "read_file"):
    call = ToolCall(f"{n}.0", name, f'{{"path": "src/file{n}.py"}}')
    return (
        AssistantMessage(f"Step {n}.", reasoning, (call,), "calls"),
        ToolMessage(call.call_id, name, result, is_error=error),
    )


def long_session(steps: int, chars: int = 1200):
    messages = [GOAL]
    for n in range(1, steps + 1):
        messages += step(n, f"result {n}\n" + "word " * (chars // 5), reasoning="Let me think.")
    return tuple(messages)


def size(messages) -> int:
    return sum(map(estimate_message, messages))


def test_what_fits_is_returned_as_it_is():
    messages = long_session(3, 100)
    kept = compact_context(messages, "A summary.", Record(), 4000)
    assert kept.messages == messages
    assert kept.shortened == ()


def test_the_last_results_stay_word_for_word_and_older_ones_name_their_blob():
    messages = long_session(20)
    blobs = {f"{n}.0": f"blob{n:08}" for n in range(1, 21)}
    kept = compact_context(messages, "SUMMARY", Record((GOAL.text,), blobs=blobs), 4000)
    assert kept.messages[1:] == tuple(
        AssistantMessage(m.text, "", m.calls, m.stop) if isinstance(m, AssistantMessage) else m
        for m in messages[-10:]
    )
    first = kept.messages[0].text
    assert first.startswith(GOAL.text + "\n\n[Summary by the host")
    assert "SUMMARY" in first
    assert "- read_file src/file15.py: result 15 [read_output('blob00000015')]" in first
    assert kept.shortened == tuple(f"{n}.0" for n in range(1, 16))
    assert size(kept.messages) <= 4000


@pytest.mark.parametrize("retain", [1, 2, 5, 8])
def test_as_many_results_stay_as_the_setting_says(retain):
    policy = ContextPolicy(retain_tool_results=retain)
    kept = compact_context(long_session(40, 900), "s", Record(), 4000, policy)
    assert sum(isinstance(m, ToolMessage) for m in kept.messages) == retain


def test_thoughts_are_dropped_only_if_they_are_externalised():
    messages = long_session(30)
    for externalize in (True, False):
        policy = ContextPolicy(externalize_reasoning=externalize)
        kept = compact_context(messages, "s", Record(), 4000, policy).messages
        thoughts = {m.reasoning for m in kept if isinstance(m, AssistantMessage)}
        assert thoughts == ({""} if externalize else {"Let me think."})


def test_a_diff_becomes_its_counts_if_diffs_are_compressed():
    messages = (*long_session(20), *step(21, DIFF, name="git_diff"))
    for n in range(22, 27):
        messages += step(n, "word " * 100)
    told = []
    for compress in (True, False):
        policy = ContextPolicy(compress_diffs=compress)
        kept = compact_context(messages, "", Record(), 4000, policy)
        told.append(next(x for x in kept.messages[0].text.split("\n") if "git_diff" in x))
    assert told[0] == "- git_diff src/file21.py: diff, +2 -1 lines"
    assert told[1].startswith("- git_diff src/file21.py: --- a/a.py +++ b/a.py @@ -1,2 +1,3 @@")


def test_goal_files_failure_and_later_words_survive_three_compactions():
    record = Record(
        (GOAL.text, "Also keep Python 3.11.", "Do not touch the docs."),
        ("a.py", "b.py"),
        '{"command":"pytest"}\nexit code 1: 2 failed',
    )
    messages = long_session(30)
    for turn in range(3):
        kept = compact_context(messages, f"summary {turn}", record, 4000)
        assert is_strict(kept.messages)
        assert size(kept.messages) <= 4000
        messages = (*kept.messages, *long_session(30)[1:])
    first = kept.messages[0].text
    assert first.count(GOAL.text) == 1
    assert first.count("[Summary by the host") == 1
    for words in ("summary 2", "Also keep Python 3.11.", "Do not touch the docs."):
        assert words in first
    assert "Files changed so far: a.py, b.py" in first
    assert "exit code 1: 2 failed" in first


def test_results_that_are_too_long_even_so_become_stubs():
    messages = (GOAL, *step(1, "x"), *step(2, "many " * 4000), *step(3, "few"))
    kept = compact_context(messages, "s", Record(blobs={"2.0": "abc"}), 2000)
    results = {m.call_id: m.content for m in kept.messages if isinstance(m, ToolMessage)}
    assert "3.0" in results
    assert size(kept.messages) <= 2000
    messages = (GOAL, *step(1, "few"), *step(2, "many " * 4000))
    kept = compact_context(messages, "s", Record(blobs={"2.0": "abc"}), 1000)
    assert size(kept.messages) <= 1000
    assert kept.shortened == ("1.0", "2.0")
    assert kept.messages[-1].content.startswith(
        "[20000 characters put aside; read_output('abc') shows it] many many"
    )


def test_a_failed_result_is_told_as_failed():
    _, message = step(1, "\n  exit code 2\nmore", error=True)
    assert gist(message) == "failed: exit code 2"


texts = st.text(st.sampled_from("ab \n"), max_size=200)
groups = st.lists(
    st.tuples(st.sampled_from(["call", "two", "say", "ask"]), st.integers(0, 6000), texts),
    max_size=25,
)


@settings(max_examples=200, deadline=None)
@given(groups, st.integers(600, 6000), st.integers(1, 7))
def test_any_conversation_becomes_a_shorter_one_that_is_strict(parts, room, retain):
    messages = (GOAL,)
    for n, (kind, chars, text) in enumerate(parts):
        if kind == "ask":
            messages = appended(messages, UserMessage(text or "hm"))
        elif kind == "say":
            if isinstance(messages[-1], AssistantMessage):
                continue
            messages = appended(messages, AssistantMessage(text))
        else:
            if isinstance(messages[-1], AssistantMessage):
                messages = appended(messages, UserMessage("go on"))
            calls = tuple(
                ToolCall(f"{n}.{i}", "read", "{}") for i in range(1 if kind == "call" else 2)
            )
            results = (ToolMessage(c.call_id, "read", "word " * (chars // 5)) for c in calls)
            messages = appended(messages, AssistantMessage(text, "", calls, "calls"), *results)
    assert is_strict(messages)
    policy = ContextPolicy(retain_tool_results=retain)
    record = Record((GOAL.text,), blobs={})
    kept = compact_context(messages, "The summary.", record, room, policy)
    assert is_strict(kept.messages)
    if size(messages) <= room:
        assert kept.messages == messages
    else:
        assert is_compacted(kept.messages[0].text)
        assert kept.messages[0].text.startswith(GOAL.text)
        assert isinstance(kept.messages[-1], type(messages[-1]))
    wish = request_for_summary(messages)
    assert is_strict(wish)
    shared = len(wish) - 2
    assert wish[:shared] == messages[:shared]


SPEC = (ToolSpec("read", "Read a file.", '{"type":"object"}'),)


def test_the_gauge_trusts_the_server_and_estimates_what_came_after():
    gauge = Gauge.of("You are Hob.", SPEC).plus((GOAL,))
    assert gauge.tokens == gauge.head + estimate_message(GOAL)
    said = AssistantMessage("I look.")
    gauge = gauge.counted(Usage(1000, 0, 7), said)
    assert (gauge.prompt, gauge.answer, gauge.tokens) == (1000, 7, 1007)
    more = ToolMessage("1.0", "read", "word " * 100)
    assert gauge.plus((more,)).tokens == 1007 + gauge.ratio.of(estimate_message(more))


def test_thoughts_are_not_counted_as_part_of_the_next_prompt():
    said = AssistantMessage("Yes.", reasoning="long " * 300)
    gauge = Gauge(prompt=100).counted(Usage(100, 90, 400), said)
    assert gauge.answer <= estimate_message(said) * 2
    assert gauge.thoughts == 400


def test_thoughts_that_stay_in_the_prompt_do_not_spoil_the_ratio():
    more = ToolMessage("1.0", "read", "word " * 100)
    thought = AssistantMessage("Yes.", reasoning="long " * 300)
    gauge = Gauge(prompt=100).counted(Usage(100, 90, 400), thought).plus((more,))
    ratio = gauge.ratio
    after = gauge.counted(Usage(650, 500, 5), AssistantMessage("ok"))
    assert (after.ratio, after.prompt) == (ratio, 650)
    assert after.plus((more,)).counted(Usage(760, 650, 5), AssistantMessage("ok")).ratio != ratio


def test_a_server_that_counts_only_what_it_computed_does_not_empty_the_gauge():
    gauge = Gauge(prompt=5000, answer=10).plus((UserMessage("word " * 100),))
    after = gauge.counted(Usage(110, None, 5), AssistantMessage("ok"))
    assert after.tokens >= 5000


def reply(sent: int | None, cached: int | None, **more) -> Reply:
    return Reply(AssistantMessage("x"), Usage(sent, cached, 1), **more)


LAST = Expected(tokens=5200, certain=5200, sent=5000, seen_at=1000, model="m", server="b1")
MESSAGES = (GOAL, *step(1, "word " * 3000), *step(2, "few"))


@pytest.mark.parametrize(
    ("answer", "expected", "now", "lost", "cause"),
    [
        (reply(5200, 5000), LAST, 2000, 0, ""),
        (reply(5200, 4900), LAST, 2000, 0, ""),
        (reply(5200, None), LAST, 2000, 0, ""),
        (reply(None, None), LAST, 2000, 0, ""),
        (reply(5200, 0), Expected(), 2000, 0, ""),
        (reply(5200, 0, diverged="tools"), LAST, 2000, 5000, "the prompt changed: tools"),
        (reply(5200, 0, model="n"), LAST, 2000, 5000, "another model answered: 'n' after 'm'"),
        (
            reply(5200, 0, model="m", server="b2"),
            LAST,
            2000,
            5000,
            "the server was changed: 'b2' after 'b1'",
        ),
        (
            reply(5200, 0),
            LAST,
            1000 + 7 * 60_000,
            5000,
            "the server had let it go after 7 min without a request",
        ),
        (
            reply(5200, 0),
            LAST,
            2000,
            5000,
            "the server kept nothing: restarted, model swapped, or the slot given to another request",
        ),
        (
            reply(5200, 2600),
            LAST,
            2000,
            2400,
            "the server computed anew from message 3 (a result of read_file) on: another request used the slot,"
            " or the chat template renders old messages differently",
        ),
        (reply(5200, 0, aside=True), LAST, 2000, 0, ""),
    ],
)
def test_a_loss_is_blamed(answer, expected, now, lost, cause):
    found = measure(expected, answer, MESSAGES, now)
    assert (found.lost, found.cause) == (lost, cause)


@pytest.mark.parametrize(
    ("answer", "expected", "read"),
    [
        (reply(4096, None), LAST, 4096),
        (reply(2050, 0), LAST, 2050),
        (reply(5300, None), LAST, None),
        (reply(4950, 4000), LAST, None),
        (reply(200, None), LAST, None),  # counts only what it computed
        (reply(None, None), LAST, None),
        (reply(4096, None), Expected(tokens=12000, certain=10000), 4096),
        (reply(900, None), Expected(tokens=2600, certain=1000), None),
        (reply(4096, None, aside=True), LAST, None),
    ],
)
def test_a_silent_cut_is_seen(answer, expected, read):
    assert cut_in_silence(expected, answer) == read


def test_reuse_says_what_was_computed():
    assert Reuse(5200, 5000).computed == 200
    assert Reuse(5200).computed == 5200


def test_a_ratio_is_learned_and_bounded():
    ratio = Ratio().after(100, 150)
    assert ratio.of(1000) > 1000
    assert Ratio().after(100, 100_000).of(100) <= 200
