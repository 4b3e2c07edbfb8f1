"""The next move, as a table: what happened, and what comes next."""

import pytest

from hob.core import events as e
from hob.core.agent import Agent, Limits, ToolSpec
from hob.core.effects import CallModel, Judge, Record, Rest, RunTools, Wait
from hob.core.messages import AssistantMessage, Details, ToolCall, ToolResult, Usage, UserMessage
from hob.core.permission import APPROVAL_REQUIRED, Decision
from hob.core.plan import CANCELLED, INTERRUPTED, next_effect
from hob.core.session import Session, fold

TOOLS = (
    ToolSpec("read", "", "{}", "read", "safe"),
    ToolSpec("run", "", "{}", "execute", "never"),
    ToolSpec("write", "", "{}", "write", "never"),
)
START = (e.SessionStarted("s", "/w", Agent(tools=TOOLS)), e.InputQueued("i", "go"))
ALLOW = Decision("allow", "t")


def session(*events: e.Event, limits: Limits | None = None, at: int = 0) -> Session:
    """Fold events after a begun turn; `at` is the time of the last one."""
    turn = (e.TurnStarted(limits or Limits()), e.InputDelivered("i"))
    every = (*START, *turn, *events)
    return fold(
        e.Recorded(n, at if n == len(every) else 0, event) for n, event in enumerate(every, 1)
    )


def call(name: str, n: int = 0, arguments: str = "{}") -> ToolCall:
    return ToolCall(f"1.{n}", name, arguments)


def answer(*names: str, text: str = "", stop: str = "calls") -> e.StepFinished:
    calls = tuple(call(name, n) for n, name in enumerate(names))
    return e.StepFinished(AssistantMessage(text, calls=calls, stop=stop if names else "end"))


def done(n: int = 0, text: str = "ok", **result: object) -> e.ToolFinished:
    return e.ToolFinished(f"1.{n}", ToolResult(text, **result))


def allowed(*numbers: int) -> list[e.Event]:
    return [e.PermissionDecided(f"1.{n}", ALLOW) for n in numbers]


def reads(*numbers: int) -> list[e.Event]:
    return [e.PermissionDecided(f"1.{n}", ALLOW, "rule", "read", "safe") for n in numbers]


def started(*numbers: int, replay: str = "never") -> list[e.Event]:
    return [e.ToolStarted(f"1.{n}", replay) for n in numbers]


def test_an_idle_session_rests_or_begins_with_its_first_input():
    assert next_effect(Session()) == Rest()
    s = fold(e.Recorded(n, 0, x) for n, x in enumerate(START, 1))
    assert next_effect(s) == Record((e.TurnStarted(Limits()), e.InputDelivered("i")))


def test_a_delivered_input_goes_to_the_model_whole():
    s = session()
    effect = next_effect(s)
    assert isinstance(effect, CallModel)
    assert effect.intent == (e.StepStarted(1),)
    assert effect.request.messages == (UserMessage("go"),)
    assert effect.request.tools == TOOLS
    assert (effect.step, effect.attempt, effect.delay_s) == (1, 1, 0.0)


def test_an_answer_ends_the_turn():
    assert next_effect(session(e.StepStarted(1), answer())) == Record((e.TurnFinished("done"),))


def test_an_answer_that_gave_up_is_not_a_success():
    said = e.StepFinished(AssistantMessage("I could not.", stop="gave_up"))
    assert next_effect(session(e.StepStarted(1), said)) == Record((e.TurnFinished("unreached"),))


def test_proposed_calls_are_judged_together():
    s = session(e.StepStarted(1), answer("read", "run"))
    assert next_effect(s) == Judge((call("read"), call("run", 1)))


def test_reads_run_side_by_side_and_anything_else_alone_in_order():
    begun = (e.StepStarted(1), answer("read", "read", "run", "read"), *reads(0, 1, 3), *allowed(2))
    first = next_effect(session(*begun))
    assert isinstance(first, RunTools)
    assert [c.call_id for c in first.calls] == ["1.0", "1.1"]
    assert first.intent == (e.ToolStarted("1.0", "safe"), e.ToolStarted("1.1", "safe"))
    second = next_effect(session(*begun, *started(0, 1, replay="safe"), done(0), done(1)))
    assert isinstance(second, RunTools)
    assert second.intent == (e.ToolStarted("1.2", "never"),)
    third = next_effect(
        session(*begun, *started(0, 1, replay="safe"), done(0), done(1), *started(2), done(2))
    )
    assert isinstance(third, RunTools)
    assert [c.call_id for c in third.calls] == ["1.3"]


def test_a_write_waits_for_the_reads_before_it():
    write = e.PermissionDecided("1.1", ALLOW, "rule", "write")
    effect = next_effect(session(e.StepStarted(1), answer("read", "write"), *reads(0), write))
    assert isinstance(effect, RunTools)
    assert [c.call_id for c in effect.calls] == ["1.0"]


def test_an_open_question_holds_back_what_stands_behind_it():
    s = session(e.StepStarted(1), answer("run", "read"), e.PermissionAsked("1.0", "t"), *allowed(1))
    assert next_effect(s) == Wait()
    s = session(e.StepStarted(1), answer("read", "run"), *reads(0), e.PermissionAsked("1.1", "t"))
    effect = next_effect(s)
    assert isinstance(effect, RunTools)
    assert [c.call_id for c in effect.calls] == ["1.0"]


def test_a_denied_call_gets_its_reason_as_result():
    no = e.PermissionDecided("1.0", Decision("deny", "t", "Not here."))
    s = session(e.StepStarted(1), answer("run"), no)
    result = ToolResult("Denied. Not here.", is_error=True)
    assert next_effect(s) == Record((e.ToolFinished("1.0", result),))


def test_a_call_that_was_running_when_the_process_died_is_not_run_again():
    s = session(e.StepStarted(1), answer("run"), *allowed(0), *started(0))
    assert next_effect(s) == Record((e.ToolFinished("1.0", INTERRUPTED),))


def test_a_safe_call_runs_again_but_not_for_ever():
    begun = [e.StepStarted(1), answer("read"), *reads(0), *started(0, replay="safe")]
    assert isinstance(next_effect(session(*begun)), RunTools)
    again = [*begun, *started(0, replay="safe"), *started(0, replay="safe")]
    assert next_effect(session(*again)) == Record((e.ToolFinished("1.0", INTERRUPTED),))


def test_a_step_that_was_interrupted_is_tried_again_but_not_for_ever():
    failed = next_effect(session(e.StepStarted(1)))
    assert isinstance(failed, Record)
    assert failed.intent[0].error == "interrupted"
    assert not failed.intent[0].final
    last = next_effect(session(e.StepStarted(4)))
    assert isinstance(last, Record)
    assert last.intent[0].final


def test_a_failed_step_is_tried_again_after_its_pause():
    effect = next_effect(session(e.StepStarted(1), e.StepFailed("timeout", "slow", False, 2.5)))
    assert isinstance(effect, CallModel)
    assert (effect.attempt, effect.delay_s) == (2, 2.5)


def test_attempts_count_anew_after_a_success():
    events = (e.StepStarted(3), answer("read"), *reads(0), *started(0, replay="safe"), done())
    effect = next_effect(session(*events))
    assert isinstance(effect, CallModel)
    assert (effect.attempt, effect.step) == (1, 2)


def test_a_final_failure_ends_the_turn_with_its_words():
    s = session(e.StepStarted(1), e.StepFailed("auth", "The key is wrong.", True))
    assert next_effect(s) == Record((e.TurnFinished("failed", "The key is wrong."),))


def test_cancel_settles_every_open_call_and_ends():
    s = session(
        e.StepStarted(1),
        answer("read", "run"),
        *allowed(0, 1),
        *started(0),
        done(0),
        e.CancelRequested(),
    )
    assert next_effect(s) == Record((e.ToolFinished("1.1", CANCELLED), e.TurnFinished("cancelled")))


def test_what_was_said_before_a_cancel_stays_in_the_context():
    s = session(e.StepStarted(1), e.StepFailed("cancelled", "", False, partial="Half a"))
    assert s.messages[-1] == AssistantMessage("Half a", stop="cancelled")


def test_a_steer_goes_before_the_end_of_the_turn():
    s = session(e.StepStarted(1), answer(), e.InputQueued("j", "wait"))
    assert next_effect(s) == Record((e.InputDelivered("j"),))


def test_a_queued_input_waits_for_rest():
    s = session(e.StepStarted(1), answer(), e.InputQueued("j", "later", "queue"))
    assert next_effect(s) == Record((e.TurnFinished("done"),))


def test_inputs_are_taken_in_the_order_they_came():
    s = session(
        e.StepStarted(1), answer(), e.InputQueued("j", "first"), e.InputQueued("k", "second")
    )
    assert next_effect(s) == Record((e.InputDelivered("j"),))


def test_no_words_between_a_call_and_its_result():
    s = session(e.StepStarted(1), answer("run"), *allowed(0), e.InputQueued("j", "wait"))
    assert isinstance(next_effect(s), RunTools)


@pytest.mark.parametrize(
    ("limits", "at", "outcome"),
    [
        (Limits(max_steps=1), 0, "step_limit"),
        (Limits(max_wall_s=2), 2000, "out_of_time"),
        (Limits(max_output_tokens=7), 0, "out_of_tokens"),
    ],
)
def test_limits_end_the_turn_at_a_step_boundary(limits, at, outcome):
    spoken = e.StepFinished(answer("read").message, Usage(completion_tokens=7))
    events = (e.StepStarted(1), spoken, *allowed(0), *started(0, replay="safe"), done())
    s = session(*events, limits=limits, at=at)
    effect = next_effect(s)
    assert isinstance(effect, Record)
    assert [x.outcome for x in effect.intent] == [outcome]
    assert isinstance(next_effect(session(*events)), CallModel)


def test_what_is_left_of_the_limits_goes_with_the_request():
    limits = Limits(max_wall_s=10, max_output_tokens=100)
    spoken = e.StepFinished(answer("read").message, Usage(completion_tokens=30))
    events = (e.StepStarted(1), spoken, *allowed(0), *started(0, replay="safe"), done())
    effect = next_effect(session(*events, limits=limits, at=4000))
    assert isinstance(effect, CallModel)
    assert (effect.request.max_tokens, effect.request.deadline_s) == (70, 6.0)


def test_only_as_many_calls_as_the_host_allows():
    s = session(e.StepStarted(1), answer("read", "run"), limits=Limits(max_calls_per_step=1))
    effect = next_effect(s)
    assert isinstance(effect, Record)
    (refused,) = effect.intent
    assert refused.call_id == "1.1"
    assert "at most 1 call" in refused.result.content


def test_approvals_that_nobody_can_give_end_the_turn_after_three():
    no = Decision("deny", "t", "nobody", APPROVAL_REQUIRED)
    events: list[e.Event] = []
    for n in range(3):
        events += [
            e.StepStarted(1),
            answer("run"),
            e.PermissionDecided("1.0", no),
            done(text=f"{n}", is_error=True),
        ]
    effect = next_effect(session(*events))
    assert isinstance(effect, Record)
    assert effect.intent[0].outcome == "blocked"
    assert isinstance(next_effect(session(*events[:8])), CallModel)


def cut(text: str = "so far") -> e.StepFinished:
    return e.StepFinished(AssistantMessage(text, stop="length"))


def test_a_cut_answer_is_asked_to_go_on_and_then_ends():
    first = next_effect(session(e.StepStarted(1), cut()))
    assert isinstance(first, Record)
    assert first.intent[0].reason == "length"
    nudge = e.Nudged("length", "Go on.")
    s = session(
        e.StepStarted(1), cut(), nudge, e.StepStarted(1), cut(), nudge, e.StepStarted(1), cut()
    )
    effect = next_effect(s)
    assert isinstance(effect, Record)
    assert effect.intent[0].outcome == "out_of_tokens"


def test_a_cut_does_not_use_up_the_hint_against_circles():
    same = ("read", '{"n":1}', "same")
    s = session(e.StepStarted(1), cut(), e.Nudged("length", "Go on."), *circle([same] * 3))
    effect = next_effect(s)
    assert isinstance(effect, Record)
    assert isinstance(effect.intent[0], e.Nudged)


def circle(steps: list[tuple[str, str, str]]) -> list[e.Event]:
    events: list[e.Event] = []
    for name, arguments, text in steps:
        message = AssistantMessage(calls=(ToolCall("1.0", name, arguments),), stop="calls")
        events += [
            e.StepStarted(1),
            e.StepFinished(message),
            *allowed(0),
            *started(0),
            done(text=text),
        ]
    return events


A, B = ("read", "{}", "a"), ("run", "{}", "b")


@pytest.mark.parametrize(
    ("steps", "stuck"),
    [
        ([A, A], False),
        ([A, A, A], True),
        ([A, ("read", "{}", "changed"), A], False),
        ([A, ("read", '{"x":1}', "a"), A], False),
        ([A, B, A], False),
        ([A, B, A, B], True),
        ([A, B, B, A], False),
        ([A, B, A, ("other", "{}", "c")], False),
        ([(f"{n}", "{}", "x") for n in range(9)], False),
        (
            [*[(f"{n}", "{}", "x") for n in range(5)], *[(f"{n}", "{}", "x") for n in range(5)]],
            True,
        ),
    ],
)
def test_circles_are_seen(steps, stuck):
    effect = next_effect(session(*circle(steps), limits=Limits(stuck_after=5)))
    assert isinstance(effect, Record if stuck else CallModel)
    if stuck:
        assert isinstance(effect.intent[0], e.Nudged)


def test_a_circle_after_the_hint_ends_the_turn():
    nudged = [*circle([A, A, A]), e.Nudged("stuck", "Try something else.")]
    assert isinstance(next_effect(session(*nudged, *circle([A, A]))), CallModel)
    effect = next_effect(session(*nudged, *circle([A, A, A])))
    assert isinstance(effect, Record)
    assert effect.intent[0].outcome == "stuck"


def test_new_words_from_the_person_break_a_circle():
    s = session(*circle([A, A, A]), e.InputQueued("j", "Try B."), e.InputDelivered("j"))
    assert isinstance(next_effect(s), CallModel)


FAILED = {"is_error": True, "details": Details(exit_code=1, stderr="ModuleNotFoundError: requests")}


def failing(text: str = "exit code 1\nModuleNotFoundError: requests") -> list[e.Event]:
    return [e.StepStarted(1), answer("run"), *allowed(0), *started(0), done(text=text, **FAILED)]


@pytest.mark.parametrize(
    ("words", "on", "accepted"),
    [
        ("", True, False),
        ("Let me try again.", True, False),
        ("The error code says the command failed.", True, False),
        ("The module requests is not installed.", True, True),
        ("", False, True),
    ],
)
def test_a_failed_command_has_to_be_acknowledged(words, on, accepted):
    events = (*failing(), e.StepStarted(1), answer("run", text=words))
    effect = next_effect(session(*events, limits=Limits(acknowledge_failures=on)))
    assert isinstance(effect, Judge if accepted else Record)


def test_an_exit_code_that_is_no_error_needs_no_acknowledgement():
    nothing_found = done(text="no match", details=Details(exit_code=1))
    events = (
        e.StepStarted(1),
        answer("run"),
        *allowed(0),
        *started(0),
        nothing_found,
        e.StepStarted(1),
        answer("run"),
    )
    assert isinstance(
        next_effect(session(*events, limits=Limits(acknowledge_failures=True))), Judge
    )


def test_a_command_that_timed_out_has_failed_too():
    late = done(
        text="Command timed out after 30s",
        is_error=True,
        details=Details(metadata={"timed_out": True}),
    )
    events = (
        e.StepStarted(1),
        answer("run"),
        *allowed(0),
        *started(0),
        late,
        e.StepStarted(1),
        answer("run"),
    )
    effect = next_effect(session(*events, limits=Limits(acknowledge_failures=True)))
    assert isinstance(effect, Record)


def test_a_model_that_never_names_the_cause_is_not_held_up_for_ever():
    refused = [e.StepStarted(1), answer("run"), done(text="Not run.", is_error=True)]
    limits = Limits(acknowledge_failures=True)
    twice = (*failing(), *refused, *refused, e.StepStarted(1), answer("run"))
    assert isinstance(next_effect(session(*twice, limits=limits)), Judge)
    again = (
        *twice,
        *allowed(0),
        *started(0),
        done(text="exit code 1\nother", **FAILED),
        e.StepStarted(1),
        answer("run"),
    )
    assert isinstance(next_effect(session(*again, limits=limits)), Record)


def reopened(*events: e.Event) -> Session:
    return session(*events, e.SessionReopened())


def test_what_was_allowed_before_a_restart_is_judged_again():
    for events in (
        allowed(0),
        [e.PermissionAsked("1.0", "t")],
        [*reads(0), *started(0, replay="safe")],
    ):
        assert next_effect(reopened(e.StepStarted(1), answer("run"), *events)) == Judge(
            (call("run"),)
        )
    effect = next_effect(reopened(e.StepStarted(1), answer("run"), *allowed(0), *started(0)))
    assert effect == Record((e.ToolFinished("1.0", INTERRUPTED),))


def test_the_log_does_not_say_how_dangerous_a_tool_is():
    """Not the agent in the log but the tool of this process decides what may run side by side or again."""
    effect = next_effect(session(e.StepStarted(1), answer("read", "read"), *allowed(0, 1)))
    assert isinstance(effect, RunTools)
    assert effect.intent == (e.ToolStarted("1.0", "never"),)


def test_a_safe_call_that_takes_the_process_down_each_time_ends():
    events: list[e.Event] = [e.StepStarted(1), answer("read")]
    for _ in range(3):
        events += [*reads(0), *started(0, replay="safe"), e.SessionReopened()]
    assert next_effect(session(*events, *reads(0))) == Record((e.ToolFinished("1.0", INTERRUPTED),))


def test_the_clock_of_a_turn_stands_while_nobody_works():
    events = [
        *START,
        e.TurnStarted(Limits(max_wall_s=10)),
        e.InputDelivered("i"),
        e.SessionReopened(),
    ]
    s = fold(
        e.Recorded(n, at, x)
        for n, (x, at) in enumerate(zip(events, (0, 0, 1000, 4000, 900_000), strict=True), 1)
    )
    effect = next_effect(s)
    assert isinstance(effect, CallModel)
    assert effect.request.deadline_s == 7.0


def test_a_prompt_with_limits_begins_a_new_budget_and_one_without_does_not():
    begun = (e.StepStarted(1), answer("read"), *reads(0), *started(0, replay="safe"), done())
    limits = Limits(max_steps=1)
    assert isinstance(next_effect(session(*begun, limits=limits)), Record)
    plain = (e.InputQueued("j", "more"), e.InputDelivered("j"))
    assert isinstance(next_effect(session(*begun, *plain, limits=limits)), Record)
    budget = (e.InputQueued("j", "more", "steer", Limits(max_steps=1)), e.InputDelivered("j"))
    assert isinstance(next_effect(session(*begun, *budget, limits=limits)), CallModel)


def test_a_yes_that_comes_after_the_time_is_up_runs_nothing():
    s = session(e.StepStarted(1), answer("run"), *allowed(0), limits=Limits(max_wall_s=1), at=2000)
    effect = next_effect(s)
    assert isinstance(effect, Record)
    assert effect.intent[0].result.content == "Not run: the time of the turn is up."


def test_a_server_that_reports_no_usage_does_not_switch_the_limit_off():
    said = e.StepFinished(AssistantMessage("x" * 400, calls=(call("read"),)))
    events = (e.StepStarted(1), said, *reads(0), *started(0, replay="safe"), done())
    assert isinstance(next_effect(session(*events, limits=Limits(max_output_tokens=99))), Record)


def test_a_pause_from_a_log_has_a_ceiling():
    effect = next_effect(session(e.StepStarted(1), e.StepFailed("timeout", "slow", False, 1e9)))
    assert isinstance(effect, CallModel)
    assert effect.delay_s == 120.0


def test_waiting_for_something_is_no_circle():
    events: list[e.Event] = []
    for _ in range(4):
        message = AssistantMessage(calls=(ToolCall("1.0", "run", "{}"),))
        events += [
            e.StepStarted(1),
            e.StepFinished(message),
            *allowed(0),
            *started(0),
            done(text="still busy"),
        ]
    times = [(n + 1) // 5 * 5000 for n in range(len(events))]
    head = [*START, e.TurnStarted(), e.InputDelivered("i")]
    recorded = [e.Recorded(n, 0, x) for n, x in enumerate(head, 1)]
    recorded += [
        e.Recorded(5 + n, at, x) for n, (x, at) in enumerate(zip(events, times, strict=True))
    ]
    assert isinstance(next_effect(fold(recorded)), CallModel)
    assert isinstance(next_effect(session(*events)), Record)


def test_good_work_makes_an_old_hint_forgotten():
    nudged = [*circle([A, A, A]), e.Nudged("stuck", "Try something else.")]
    fresh = circle([(f"{n}", "{}", "x") for n in range(6)])
    effect = next_effect(session(*nudged, *fresh, *circle([A, A, A])))
    assert isinstance(effect, Record)
    assert isinstance(effect.intent[0], e.Nudged)


def test_the_next_turn_counts_its_steps_anew():
    one = Limits(max_steps=1)
    events = (e.StepStarted(1), answer(), e.TurnFinished("done"), e.InputQueued("j", "more"))
    s = session(*events, e.TurnStarted(one), e.InputDelivered("j"), limits=one)
    assert isinstance(next_effect(s), CallModel)


def test_a_cancel_without_a_turn_cancels_nothing_later():
    events = (*START, e.CancelRequested(), e.TurnStarted(), e.InputDelivered("i"))
    s = fold(e.Recorded(n, 0, x) for n, x in enumerate(events, 1))
    assert isinstance(next_effect(s), CallModel)
