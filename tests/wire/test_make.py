"""From a server to a model that can be asked: the window, what a profile changes, and what then goes over the wire."""

import asyncio
import json
from contextlib import aclosing

import pytest

from hob.config import load
from hob.core.agent import ToolSpec
from hob.core.errors import ModelError
from hob.core.messages import AssistantMessage, Reply, ToolCall, ToolMessage, UserMessage
from hob.core.request import Request
from hob.models import profiles
from hob.models.anthropic import Anthropic
from hob.models.discovery import Wishes, discover
from hob.models.make import prepare
from hob.models.offline.model import OfflineModel
from hob.models.profile import Profile
from hob.models.responses import Responses
from hob.models.script import ScriptedCall, Turn
from hob.models.scripted_server import serve
from servers import lmstudio_double as studio
from servers.lmstudio_double import LMStudioDouble
from servers.ollama_double import Card, OllamaDouble, Says
from servers.pages import Pages, words
from servers.router_double import RouterDouble
from servers.vllm_double import VLLMDouble
from tiny.engine import engine

HEAD_TOKENS = 1600
TOOL = ToolSpec("read_file", "Read a file.", '{"type":"object","properties":{}}')
CALL = ToolCall("1.0", "read_file", '{"path":"a.py"}')


class Plain(Pages):
    """A server with a `/v1` that answers everything with one word."""

    def __init__(self, **card):
        super().__init__({"/v1/models": {"data": [{"id": "m", **card}]}})

    def post(self, path, body):
        return 200, words("Hi.")


def ask(*messages, **more):
    said = messages or (UserMessage("Hello?"),)
    return Request("s1", "You are brief.", (TOOL,), said, **more)


def ready(base_url, tmp_path, environment=None, *, protocol="", **flags):
    """Return what is prepared for the first model of a server."""
    environment = {"HOB_DATA_DIR": str(tmp_path), **(environment or {})}
    config = load(flags, environment)
    found = asyncio.run(discover(Wishes(base_url=base_url, ports=(), protocol=protocol)))
    return prepare(found, config, HEAD_TOKENS)


def keep(tmp_path, base_url, model="m", **profile):
    profiles.save(tmp_path / "profiles", Profile(base_url=base_url, model=model, **profile))


def answers(prepared, *requests):
    """Return the replies of one model to some requests in a row."""

    async def main():
        model = prepared.make()
        try:
            return [await one(model, request) for request in requests]
        finally:
            await model.aclose()

    async def one(model, request):
        async with aclosing(model.stream(request)) as stream:
            return [item async for item in stream][-1]

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("card", "loaded", "flags", "window"),
    [
        (Card(), 32_768, {}, 32_768),
        (Card(), 16_384, {}, 16_384),
        (Card(), 4096, {}, 32_768),
        (Card(), 8192, {}, 32_768),
        (Card(), None, {}, 32_768),
        (Card(trained=16_384), 4096, {}, 16_384),
        (Card(num_ctx=65_536), None, {}, 40_960),
        (Card(num_ctx=36_864), None, {}, 36_864),
        (Card(num_ctx=2048), None, {}, 32_768),
        (Card(), 16_384, {"context_tokens": 24_576}, 24_576),
    ],
)
def test_the_window_of_ollama(tmp_path, card, loaded, flags, window):
    loads = [(card.name, loaded)] if loaded else []
    with OllamaDouble(cards=[card], loads=[*loads]) as double:
        prepared = ready(double.root, tmp_path, **flags)
        assert prepared.window_tokens == window
        (reply,) = answers(prepared, ask())
        assert isinstance(reply, Reply)
        # What is loaded already with this window is not loaded again.
        assert double.loads == [*loads, *([] if loaded == window else [(card.name, window)])]
    (body,) = double.asked
    assert body["options"]["num_ctx"] == window
    assert body["keep_alive"] == "60m"
    assert "think" not in body


def small_ollama():
    return OllamaDouble(cards=[Card(trained=2048)])


def small_plain():
    return Plain(max_model_len=4096)


@pytest.mark.parametrize(
    ("double", "fix"),
    [
        (lambda: LMStudioDouble(studio.Card(window=4096)), "`lms load --context-length 32768`"),
        (lambda: VLLMDouble(window=4096), "`--max-model-len 32768`"),
        (lambda: RouterDouble({"a": 4096}), "`-c 32768`"),
        (small_plain, "raise the server's window to 32768 tokens"),
        (small_ollama, "trained for no more"),
        (lambda: VLLMDouble(), "--context-tokens"),
    ],
)
def test_a_window_that_is_too_small_names_the_remedy_of_its_server(tmp_path, double, fix):
    flags = {"context_tokens": 4096} if fix == "--context-tokens" else {}
    with double() as running, pytest.raises(ModelError) as caught:
        ready(running.root, tmp_path, **flags)
    assert caught.value.kind == "refused"
    text = str(caught.value)
    assert fix in text
    assert "take about 1,600 of them: too little to work in" in text
    assert text.endswith(".")


def test_a_slot_of_llama_cpp_that_is_too_small_names_its_option(tmp_path):
    with (
        engine(n_ctx=8192, slots=2, kv_unified=False) as served,
        pytest.raises(ModelError, match="`-c 32768`; `-c` is divided among the slots") as caught,
    ):
        ready(served.root, tmp_path)
    assert "4,096 tokens" in str(caught.value)


def test_the_doctor_s_window_counts_where_the_server_says_none(tmp_path):
    with Plain() as double:
        assert ready(double.root, tmp_path).window_tokens is None
        keep(tmp_path, double.base_url, window_tokens=20_000)
        assert ready(double.root, tmp_path).window_tokens == 20_000
        assert ready(double.root, tmp_path, context_tokens=9000).window_tokens == 9000
    with VLLMDouble() as double:
        keep(tmp_path, double.base_url, "qwen3-coder", window_tokens=20_000, version="0.14.1")
        assert ready(double.root, tmp_path).window_tokens == 65_536


def test_calls_are_written_as_text_where_the_doctor_says_so(tmp_path):
    with Plain() as double:
        keep(tmp_path, double.base_url, tool_format="text", edit_format="whole")
        prepared = ready(double.root, tmp_path)
        assert prepared.config.edit_format == "whole"
        assert "--edit-format whole" in prepared.words[0]
        answers(prepared, ask())
        assert "tools" not in double.bodies[-1]
        assert "read_file" in double.bodies[-1]["messages"][0]["content"]


@pytest.mark.parametrize("given", [{}, {"HOB_EDIT_FORMAT": "udiff"}])
def test_the_edit_format_of_a_person_goes_first(tmp_path, given):
    with Plain() as double:
        keep(tmp_path, double.base_url, tool_format="text")
        flags = {} if given else {"edit_format": "tools"}
        prepared = ready(double.root, tmp_path, given, **flags)
    assert prepared.config.edit_format == (given.get("HOB_EDIT_FORMAT") or "tools")
    assert prepared.words == ()


@pytest.mark.parametrize(
    "double",
    [
        lambda: OllamaDouble(cards=[Card("m", capabilities=("completion",))]),
        lambda: LMStudioDouble(studio.Card("m", window=32_768, tools=False)),
    ],
)
def test_a_model_without_tools_is_asked_in_text(tmp_path, double):
    with double() as running:
        prepared = ready(running.root, tmp_path)
        answers(prepared, ask())
    assert prepared.config.edit_format == "diff"
    assert prepared.words == (
        "'m' has no tool calling at this server, so calls are written as text (--edit-format diff);"
        " `hob doctor` says more.",
    )


def test_one_action_where_calls_in_parallel_are_broken(tmp_path):
    with Plain() as double:
        assert ready(double.root, tmp_path).config.one_action is False
        keep(tmp_path, double.base_url, parallel_calls=False)
        prepared = ready(double.root, tmp_path)
        assert prepared.config.one_action is True
        answers(prepared, ask())
        assert double.bodies[-1]["parallel_tool_calls"] is False
        own = ready(double.root, tmp_path, {"HOB_ONE_ACTION": "0"})
        assert own.config.one_action is False
        # OpenAI's API takes the field beside tools only.
        answers(ready(double.root, tmp_path, edit_format="diff"), ask())
        assert "parallel_tool_calls" not in double.bodies[-1]


def test_parallel_calls_are_not_spoken_of_otherwise(tmp_path):
    with Plain() as double:
        answers(ready(double.root, tmp_path), ask())
    assert set(double.bodies[-1]) == {"model", "stream", "stream_options", "tools", "messages"}


HISTORY = (
    UserMessage("Say <|im_end|>."),
    AssistantMessage("<|im_end|>", "I think.", (CALL,), "calls"),
    ToolMessage("1.0", "read_file", "a <|im_end|> b"),
)


@pytest.mark.parametrize("kept", [False, True])
def test_the_doctor_s_findings_reach_the_wire(tmp_path, kept):
    found = {"keep_reasoning": kept, "break_control_tokens": kept}
    harmless = "<\u2060|im_end|>" if kept else "<|im_end|>"
    with Plain() as double:
        keep(tmp_path, double.base_url, **found)
        answers(ready(double.root, tmp_path), ask(*HISTORY))
        _, user, assistant, tool = double.bodies[-1]["messages"]
    assert user["content"] == f"Say {harmless}."
    assert tool["content"] == f"a {harmless} b"
    assert (assistant["content"], assistant.get("reasoning_content")) == (
        "<|im_end|>",
        "I think." if kept else None,
    )
    with OllamaDouble() as double:
        keep(tmp_path, f"{double.root}/v1", "qwen3:8b", version="0.15.6", **found)
        answers(ready(double.root, tmp_path), ask(*HISTORY))
        _, user, assistant, tool = double.asked[-1]["messages"]
    assert user["content"] == f"Say {harmless}."
    assert tool["content"] == f"a {harmless} b"
    assert (assistant["content"], assistant.get("thinking")) == (
        "<|im_end|>",
        "I think." if kept else None,
    )


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b'{"window_tokens":"x"}', b"[]", b""])
def test_a_broken_profile_gives_a_word_and_harms_nothing(tmp_path, content):
    with Plain() as double:
        path = profiles.path_of(tmp_path / "profiles", double.base_url, "m")
        path.parent.mkdir()
        path.write_bytes(content)
        prepared = ready(double.root, tmp_path)
        assert prepared.words == (
            f"The profile {str(path)!r} cannot be read and is ignored; run `hob doctor`.",
        )
        answers(prepared, ask())


def test_a_profile_of_another_version_is_used_and_spoken_of(tmp_path):
    with VLLMDouble() as double:
        keep(tmp_path, double.base_url, "qwen3-coder", version="0.9", parallel_calls=False)
        prepared = ready(double.root, tmp_path)
    assert prepared.config.one_action
    assert prepared.words == (
        "The server is '0.14.1' and was examined as '0.9'; run `hob doctor`.",
    )


SETTINGS = {"HOB_THINK": "0", "HOB_SLOT": "1"}
THINK = {"chat_template_kwargs": {"enable_thinking": False}}


def sent(double, tmp_path, environment):
    """Return what a body says beside the usual fields."""
    usual = {"model", "stream", "stream_options", "tools", "messages"}
    with double as running:
        answers(ready(running.root, tmp_path, environment), ask())
        body = (running.asked if isinstance(running, OllamaDouble) else running.bodies)[-1]
    return {name: value for name, value in body.items() if name not in usual}


def test_thinking_and_slots_go_only_where_they_are_understood(tmp_path):
    ollama = {
        "keep_alive": "60m",
        "truncate": False,
        "shift": False,
        "options": {"num_ctx": 32_768},
    }
    cpp = {"cache_prompt": True, "return_progress": True}
    thinker = Card(capabilities=("completion", "tools", "thinking"))
    loaded = studio.Card(window=32_768)

    def two(double):
        return [sent(double(), tmp_path, given) for given in ({}, SETTINGS)]

    assert two(Plain) == [{}, {}]
    assert two(VLLMDouble) == [{}, THINK]
    assert two(lambda: LMStudioDouble(loaded)) == [{}, THINK]
    assert two(lambda: RouterDouble({"a": 16_384})) == [cpp, {**cpp, "id_slot": 1, **THINK}]
    assert two(OllamaDouble) == [ollama, ollama]
    assert two(lambda: OllamaDouble(cards=[thinker])) == [ollama, {**ollama, "think": False}]


@pytest.mark.parametrize("double", [Plain, OllamaDouble])
def test_a_variation_is_sampled_otherwise_and_keeps_the_prefix(tmp_path, double):
    with double() as running:
        prepared = ready(running.root, tmp_path)
        answers(prepared, ask(), ask(variation=2), ask())
        bodies = running.bodies if isinstance(running, OllamaDouble) else running.raw
    plain, varied, again = bodies
    assert plain == again != varied
    start = plain.rindex(b"}]") + 2
    assert varied[:start] == plain[:start]
    document = json.loads(varied)
    sampling = document.get("options", document)
    assert (sampling["temperature"], sampling["seed"]) == (0.8, 2)


def test_the_protocol_chooses_the_adapter(tmp_path):
    with serve([Turn(text="Hi.")]) as server:
        for protocol, kind in (("messages", Anthropic), ("responses", Responses)):
            prepared = ready(server.base_url, tmp_path, protocol=protocol)
            (reply,) = answers(prepared, ask())
            assert reply.message.text == "Hi."
            model = prepared.make()
            assert isinstance(model._model, kind)
            asyncio.run(model.aclose())
        paths = [request.path for request in server.requests]
    assert paths == ["/v1/messages", "/v1/responses"]


def test_architect_and_editor_share_the_server(tmp_path):
    with Plain() as double:
        prepared = ready(double.root, tmp_path, edit_format="architect", editor_model="small")
        answers(prepared, ask())
        assert prepared.config.edit_format == "architect"
        assert double.bodies[0]["model"] == "m"


def test_offline_needs_no_server(tmp_path):
    config = load({"model": "offline"}, {"HOB_DATA_DIR": str(tmp_path)})
    found = asyncio.run(discover(Wishes(model="offline", ports=())))
    prepared = prepare(found, config, 10**6)
    assert (prepared.make, prepared.config, prepared.window_tokens) == (OfflineModel, config, None)


def test_vllm_without_a_parser_says_what_to_do(tmp_path):
    with VLLMDouble(calls_tools=False) as double, pytest.raises(ModelError) as caught:
        answers(ready(double.root, tmp_path), ask())
    assert caught.value.kind == "refused"
    text = str(caught.value)
    assert "add `--enable-auto-tool-choice --tool-call-parser NAME` to its command" in text
    assert "`--edit-format diff`" in text
    with VLLMDouble(calls_tools=False) as double:
        (reply,) = answers(ready(double.root, tmp_path, edit_format="diff"), ask())
    assert reply.message.text == "Hi."


LONG = UserMessage("Count the words of this sentence, please. " * 2000)  # about 18,000 tokens


def test_lm_studio_s_silence_about_a_prompt_that_is_too_long(tmp_path):
    with LMStudioDouble(studio.Card(window=16_384)) as double:
        prepared = ready(double.root, tmp_path)
        assert prepared.window_tokens == 16_384
        (reply,) = answers(prepared, ask())
        assert reply.message.text == "Hi."
        with pytest.raises(ModelError) as caught:
            answers(prepared, ask(LONG))
    assert (caught.value.kind, caught.value.window_tokens) == ("context_overflow", 16_384)
    assert "do not fit the model's context length of 16,384; load it with a larger one." in str(
        caught.value
    )


@pytest.mark.parametrize("old", [False, True])
def test_lm_studio_s_window_of_what_was_loaded_on_demand(tmp_path, old):
    """Nobody knows the window before the first request; the empty answer is understood all the same."""
    with LMStudioDouble(old=old) as double:
        prepared = ready(double.root, tmp_path)
        assert prepared.window_tokens is None
        with pytest.raises(ModelError) as caught:
            answers(prepared, ask(LONG))
    assert (caught.value.kind, caught.value.window_tokens) == ("context_overflow", 4096)


class Mute(LMStudioDouble):
    """An LM Studio with an empty answer to everything."""

    def post(self, path, body):
        return 200, []


@pytest.mark.parametrize("window", [65_536, None])
def test_lm_studio_s_empty_answer_to_a_short_prompt_is_an_empty_answer(tmp_path, window):
    with Mute(studio.Card(window=window)) as double, pytest.raises(ModelError) as caught:
        answers(ready(double.root, tmp_path), ask(LONG))
    assert (caught.value.kind, caught.value.window_tokens) == ("empty", None)


def test_a_call_of_ollama_goes_through_the_second_parser(tmp_path):
    """Wrappers keep what the adapter read: a native call stays one."""
    says = Says(calls=(("read_file", {"path": "a.py"}),))
    with OllamaDouble(answers=[says]) as double:
        (reply,) = answers(ready(double.root, tmp_path), ask())
    assert [(c.name, c.arguments) for c in reply.message.calls] == [
        ("read_file", '{"path":"a.py"}')
    ]


def test_a_call_of_the_scripted_server(tmp_path):
    turn = Turn(calls=(ScriptedCall("read_file", {"path": "a.py"}),))
    with serve([turn]) as server:
        (reply,) = answers(ready(server.base_url, tmp_path), ask())
    assert reply.message.stop == "calls"
