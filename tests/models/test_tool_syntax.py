"""The second parser: each dialect as its model writes it, what is left for people, and what a cut answer may not do."""

# ruff: noqa: E501 (a row of a table is one thing to read)

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hob.models.tool_syntax import calls_in_text
from models.tool_syntax_tools import LS, READ, STATUS, TOOLS, calls_of, found

BAR, LOW = "\uff5c", "\u2581"


def deep(words: str) -> str:
    return f"<{BAR}{words.replace(' ', LOW)}{BAR}>"


def dsml(tag: str) -> str:
    return tag.replace("<", f"<{BAR}DSML{BAR}").replace(f"<{BAR}DSML{BAR}/", f"</{BAR}DSML{BAR}")


BODY = 'def f():\n\t"""He said: \'é 世界 🚀\'"""\n    return re.sub("</parameter>", \'\', x)  # </tool_call>\n\n'
WRITE = ("write_file", {"path": "a b.py", "content": BODY})
FIND = (
    "search",
    {"pattern": "a|b", "paths": ["src", "t e"], "options": {"case": True, "depth": 2.5}},
)


def js(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def one(call: tuple[str, Any], key: str = "arguments") -> str:
    return js({"name": call[0], key: call[1]})


def qwen(name: str, **values: str) -> str:
    inner = "".join(f"<parameter={key}>\n{value}\n</parameter>\n" for key, value in values.items())
    return f"<function={name}>\n{inner}</function>"


def glm(name: str, **values: str) -> str:
    inner = "".join(
        f"<arg_key>{key}</arg_key>\n<arg_value>{value}</arg_value>\n"
        for key, value in values.items()
    )
    return f"<tool_call>{name}\n{inner}</tool_call>"


def v3(call: tuple[str, Any]) -> str:
    begin = f"{deep('tool call begin')}function{deep('tool sep')}{call[0]}"
    return f"{begin}\n```json\n{js(call[1])}\n```{deep('tool call end')}"


def v31(call: tuple[str, Any]) -> str:
    begin = f"{deep('tool call begin')}{call[0]}{deep('tool sep')}"
    return f"{begin}{js(call[1])}{deep('tool call end')}"


def harmony(call: tuple[str, Any], end: str = "<|call|>") -> str:
    header = f"<|channel|>commentary to=functions.{call[0]} <|constrain|>json<|message|>"
    return f"{header}{js(call[1])}{end}"


def kimi(call: tuple[str, Any], number: int = 0) -> str:
    head = f"<|tool_call_begin|>functions.{call[0]}:{number}<|tool_call_argument_begin|>"
    return f"{head}{js(call[1])}<|tool_call_end|>"


def action(*calls: tuple[str, Any]) -> str:
    return js([{"tool_name": name, "parameters": arguments} for name, arguments in calls])


FIND_TAGS = {"pattern": "a|b", "paths": '["src", "t e"]', "options": '{"case": true, "depth": 2.5}'}
WRITE_TAGS = {"path": "a b.py", "content": BODY}
CASES: list[tuple[str, str, list[Any]]] = [
    # Hermes and Qwen: JSON in a tag.
    ("hermes", f"<tool_call>\n{one(LS)}\n</tool_call>", [LS]),
    ("hermes", f"<tool_call>{one(LS)}</tool_call><tool_call>{one(STATUS)}</tool_call>", [LS, STATUS]),
    ("hermes", f"<tool_call>\n{one(WRITE)}\n</tool_call>\n<tool_call>\n{one(FIND)}\n</tool_call>", [WRITE, FIND]),
    ("hermes", '<tool_call>\n{"name": "git_status"}\n</tool_call>', [STATUS]),
    ("hermes", '<tool_call>\n{"arguments": {"command": "ls -l"}, "name": "bash"}\n</tool_call>', [LS]),
    ("hermes", f"<tool_call>\n{one(LS)}\n{one(READ)}\n</tool_call>", [LS, READ]),
    ("hermes", f"<tool_calls>[{one(LS)}, {one(READ)}]</tool_calls>", [LS, READ]),
    ("hermes", f"<tool_call>\n{one(LS)}", [LS]),
    ("hermes", '<tool_call>{"type": "function", "function": {"name": "bash", "arguments": "{\\"command\\": \\"ls -l\\"}"}}</tool_call>', [LS]),
    ("hermes", '<tool_call>{"name": "bash", "command": "ls -l"}</tool_call>', [LS]),
    ("hermes", f"<tools>\n{one(LS)}\n</tools>", [LS]),
    ("hermes", '<tool_call><name>bash</name><arguments>{"command": "ls -l"}</arguments></tool_call>', [LS]),
    ("hermes", '<tool_call>\n<tool_name>bash</tool_name>\n<parameters>{"command": "ls -l"}</parameters>\n</tool_call>', [LS]),
    # Qwen3-Coder: tags, values on lines of their own.
    ("qwen3-coder", f"<tool_call>\n{qwen('bash', command='ls -l')}\n</tool_call>", [LS]),
    ("qwen3-coder", qwen("bash", command="ls -l"), [LS]),
    ("qwen3-coder", f"<tool_call>\n{qwen('write_file', **WRITE_TAGS)}\n</tool_call>", [WRITE]),
    ("qwen3-coder", f"<tool_call>\n{qwen('search', **FIND_TAGS)}\n</tool_call>\n<tool_call>\n{qwen('git_status')}\n</tool_call>", [FIND, STATUS]),
    ("qwen3-coder", qwen("bash", command="ls -l") + "\n" + qwen("read_file", path="a.py"), [LS, READ]),
    ("qwen3-coder", qwen("bash", command="ls -l") + "\n</tool_call>", [LS]),
    ("qwen3-coder", qwen("bash", command="sleep 9", timeout_s="10"), [("bash", {"command": "sleep 9", "timeout_s": 10})]),
    ("qwen3-coder", qwen("write_file", path="n", content="3"), [("write_file", {"path": "n", "content": "3"})]),
    ("qwen3-coder", qwen("write_file", path="n", content="\n\ntrue\n"), [("write_file", {"path": "n", "content": "\n\ntrue\n"})]),
    ("qwen3-coder", qwen("read_file", path="a.py", start_line="null"), [("read_file", {"path": "a.py", "start_line": None})]),
    ("qwen3-coder", qwen("edit_file", path="a", old="x", new="", all="True"), [("edit_file", {"path": "a", "old": "x", "new": "", "all": True})]),
    ("qwen3-coder", "<function=bash><parameter=command>ls -l</parameter></function>", [LS]),
    ("qwen3-coder", qwen("write_file", path="t.md", content="<tool_call>\n" + qwen("bash", command="rm -rf /") + "\n</tool_call>\n\nend"),
     [("write_file", {"path": "t.md", "content": "<tool_call>\n" + qwen("bash", command="rm -rf /") + "\n</tool_call>\n\nend"})]),
    # Mistral.
    ("mistral", f"[TOOL_CALLS] [{one(LS)}]", [LS]),
    ("mistral", f"[TOOL_CALLS][{one(WRITE)}, {one(STATUS)}]</s>", [WRITE, STATUS]),
    ("mistral", f"I look.[TOOL_CALLS] [{js({'name': 'bash', 'arguments': LS[1], 'id': 'abcdef123'})}]", [LS]),
    ("mistral", f"[TOOL_CALLS]bash[ARGS]{js(LS[1])}", [LS]),
    ("mistral", f"[TOOL_CALLS]bash[CALL_ID]abc123def[ARGS]{js(LS[1])}[TOOL_CALLS]git_status[ARGS]{{}}", [LS, STATUS]),
    ("mistral", f"[TOOL_CALLS]search{js(FIND[1])}", [FIND]),
    # Llama 3.
    ("llama-pythonic", '[bash(command="ls -l")]', [LS]),
    ("llama-pythonic", '[search(pattern="a|b", paths=["src", \'t e\'], options={"case": True, "depth": 2.5}), git_status()]', [FIND, STATUS]),
    ("llama-pythonic", f"[write_file(path='a b.py', content={BODY!r})]", [WRITE]),
    ("llama-pythonic", '<|python_tag|>[bash(command="ls -l")]<|eom_id|>', [LS]),
    ("llama-pythonic", '<|python_tag|>bash.call(command="ls -l")', [LS]),
    ("llama-json", one(LS, "parameters"), [LS]),
    ("llama-json", f"<|python_tag|>{one(LS, 'parameters')}<|eot_id|>", [LS]),
    ("llama-json", f"<|python_tag|>{one(WRITE, 'parameters')}; {one(STATUS, 'parameters')}", [WRITE, STATUS]),
    ("llama-json", f"{one(LS, 'parameters')}; {one(READ, 'parameters')}", [LS, READ]),
    ("llama-json", f"{one(LS)}\n{one(READ)}", [LS, READ]),
    ("llama-json", '{"type": "function", "name": "bash", "parameters": {"command": "ls -l"}}', [LS]),
    # Functionary.
    ("functionary", f">>>bash\n{js(LS[1])}", [LS]),
    ("functionary", f">>>all\nI look.\n>>>write_file\n{js(WRITE[1])}\n>>>git_status\n{{}}", [WRITE, STATUS]),
    ("functionary", f"<function=bash>{js(LS[1])}</function>", [LS]),
    ("functionary", f"<function=search>{js(FIND[1])}</function>\n<function=git_status>{{}}</function><|eom_id|>", [FIND, STATUS]),
    ("named", f"bash\n{js(LS[1])}", [LS]),
    # DeepSeek.
    ("deepseek", f"{deep('tool calls begin')}{v3(LS)}{deep('tool calls end')}", [LS]),
    ("deepseek", f"I look.\n{deep('tool calls begin')}{v3(WRITE)}\n{v3(STATUS)}{deep('tool calls end')}{deep('end of sentence')}", [WRITE, STATUS]),
    ("deepseek", f"{deep('tool calls begin')}{v31(LS)}{v31(FIND)}{deep('tool calls end')}", [LS, FIND]),
    ("deepseek", f"{deep('tool calls begin')}{v31(LS)}", [LS]),
    ("deepseek", v31(LS), [LS]),
    ("deepseek", dsml('<function_calls>\n<invoke name="bash">\n<parameter name="command" string="true">ls -l</parameter>\n'
                      '<parameter name="timeout_s" string="false">3</parameter>\n</invoke>\n</function_calls>'),
     [("bash", {"command": "ls -l", "timeout_s": 3})]),
    # GLM.
    ("glm", glm("bash", command="ls -l"), [LS]),
    ("glm", glm("write_file", **WRITE_TAGS), [WRITE]),
    ("glm", glm("search", **FIND_TAGS) + "\n" + glm("git_status"), [FIND, STATUS]),
    ("glm", "<tool_call>git_status</tool_call>", [STATUS]),
    ("glm", glm("bash", command="ls", timeout_s="3"), [("bash", {"command": "ls", "timeout_s": 3})]),
    # Gemma.
    ("gemma", '```tool_code\nbash(command="ls -l")\n```', [LS]),
    ("gemma", '```tool_code\nprint(bash(command="ls -l"))\nprint(default_api.read_file(path="a.py"))\n```', [LS, READ]),
    ("gemma", f'```tool_code\nwrite_file(path="a b.py", content={BODY!r})\n```', [WRITE]),
    ("gemma", '```tool_code\nwrite_file("a.py", """x""")\n```', []),
    ("gemma", '```tool_code\nread_file("a.py")\n```', [READ]),
    ("gemma", '```tool_code\nwrite_file(path="a", content="""x = "1"\ny\n""")\n```', [("write_file", {"path": "a", "content": 'x = "1"\ny\n'})]),
    ("gemma", "<start_function_call>call:bash{command:<escape>ls -l<escape>}<end_function_call>", [LS]),
    ("gemma", "<start_function_call>call:search{pattern:<escape>a|b<escape>,paths:[<escape>src<escape>,<escape>t e<escape>],"
              "options:{case:true,depth:2.5}}<end_function_call><start_function_call>call:git_status{}<end_function_call>", [FIND, STATUS]),
    ("gemma", f"<|tool_call>call:write_file{{path:<|\"|>a b.py<|\"|>,content:<|\"|>{BODY}<|\"|>}}<tool_call|>", [WRITE]),
    # GPT-OSS.
    ("harmony", harmony(LS), [LS]),
    ("harmony", f"<|channel|>analysis<|message|>I look.<|end|><|start|>assistant{harmony(WRITE)}", [WRITE]),
    ("harmony", f"{harmony(LS)}<|start|>assistant{harmony(READ)}", [LS, READ]),
    ("harmony", harmony(STATUS, ""), [STATUS]),
    ("harmony", '<|start|>assistant to=functions.bash<|channel|>commentary json<|message|>{"command": "ls -l"}<|call|>', [LS]),
    ("harmony", '<|channel|>commentary to=functions.bash json<|message|>{"command": "ls -l"}', [LS]),
    ("harmony", 'analysisI should look.assistantcommentary to=functions.bash json{"command": "ls -l"}', [LS]),
    # Command R.
    ("command-r", f"Action: ```json\n{action(LS)}\n```", [LS]),
    ("command-r", f"Action:\n```json\n{action(LS, READ)}\n```", [LS, READ]),
    ("command-r", f"<|START_ACTION|>{action(WRITE)}<|END_ACTION|>", [WRITE]),
    ("command-r", f"<|START_THINKING|>I look.<|END_THINKING|><|START_ACTION|>[\n{action(LS)[1:-1]}\n]<|END_ACTION|>", [LS]),
    # JSON in a fence.
    ("json", f"```json\n{one(LS)}\n```", [LS]),
    ("json", f"I'll look.\n\n```json\n{one(LS)}\n```\n", [LS]),
    ("json", '```\n{"tool": "bash", "input": {"command": "ls -l"}}\n```', [LS]),
    ("json", '```json\n{"function": "bash", "parameters": {"command": "ls -l"}}\n```', [LS]),
    ("json", '```json\n{"action": "bash", "action_input": {"command": "ls -l"}}\n```', [LS]),
    ("json", f"```json\n[{one(LS)}, {one(READ)}]\n```", [LS, READ]),
    ("json", f"```json\n{one(LS)}\n```\n\n```json\n{one(WRITE)}\n```", [LS, WRITE]),
    ("json", f"```tool_call\n{one(LS)}\n```", [LS]),
    # And some more.
    ("kimi", f"<|tool_calls_section_begin|>{kimi(LS)}{kimi(STATUS, 1)}<|tool_calls_section_end|>", [LS, STATUS]),
    ("kimi", kimi(WRITE), [WRITE]),
    ("minimax", '<minimax:tool_call>\n<invoke name="bash">\n<parameter name="command">ls -l</parameter>\n</invoke>\n</minimax:tool_call>', [LS]),
    ("minimax", f'<minimax:tool_call>\n<invoke name="write_file">\n<parameter name="path">a b.py</parameter>\n<parameter name="content">{BODY}</parameter>\n</invoke>\n'
                '<invoke name="git_status">\n</invoke>\n</minimax:tool_call>', [WRITE, STATUS]),
    ("granite", f"<|tool_call|>[{one(LS)}]", [LS]),
    ("granite", f"<function_call> {one(LS)}", [LS]),
    ("functools", f"functools[{one(LS)}]", [LS]),
    ("lfm2", '<|tool_call_start|>[bash(command="ls -l")]<|tool_call_end|>', [LS]),
    ("nemotron", f"<TOOLCALL>[{one(LS)}]</TOOLCALL>", [LS]),
    ("apertus", '<|tools_prefix|>[{"bash": {"command": "ls -l"}}]<|tools_suffix|>', [LS]),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "text", "calls"), CASES)
def test_each_dialect_is_read_as_its_model_writes_it(
    dialect: str, text: str, calls: list[tuple[str, Any]]
):
    parsed = calls_in_text(text, TOOLS, "end")
    assert calls_of(parsed) == calls
    assert parsed.dialect == (dialect if calls else "")


FRAMED = [text for dialect, text, calls in CASES if calls and dialect not in ("named",)]


@pytest.mark.parametrize("text", FRAMED)
@pytest.mark.parametrize(
    "before",
    ["I'll take care of it.\n\n", "<think>\nls? or [TOOL_CALLS]?\n</think>\n\n", "Let me see the config:\n"],
)  # fmt: skip
def test_words_and_thoughts_before_calls_change_nothing(before: str, text: str):
    alone = calls_in_text(text, TOOLS, "end")
    parsed = calls_in_text(before + text, TOOLS, "end")
    assert parsed.calls == alone.calls
    assert parsed.text.startswith(before.strip())


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"I look.\n\n<tool_call>\n{one(LS)}\n</tool_call>", "I look."),
        (f"  I look. <tool_call>{one(LS)}</tool_call>\n\nNow I wait.\n", "  I look.\n\nNow I wait."),
        (f"<tool_call>{one(LS)}</tool_call>\n\nThen the file.\n\n<tool_call>{one(READ)}</tool_call>", "Then the file."),
        (f"<think>\nhm\n</think>\n<tool_call>{one(LS)}</tool_call><|im_end|>", "<think>\nhm\n</think>"),
        ("Nothing `to` do.  \n", "Nothing `to` do.  \n"),
    ],
)  # fmt: skip
def test_people_read_the_words_without_the_frames(text: str, left: str):
    assert calls_in_text(text, TOOLS, "end").text == left


def test_only_offered_tools_are_called_and_the_others_are_named():
    text = f'<tool_call>{{"name": "rm", "arguments": {{}}}}</tool_call><tool_call>{one(LS)}</tool_call>'
    parsed = calls_in_text(text, TOOLS, "end")
    assert (calls_of(parsed), parsed.problem, parsed.tool) == (
        [LS], "no such tool is offered", "rm",
    )  # fmt: skip
    assert found("```json\n" + one(("rm", {})) + "\n```") == []
    assert calls_in_text(text, (), "end").text == text


@pytest.mark.parametrize(
    ("text", "calls", "problem"),
    [
        ('<tool_call>\n{"name": "bash", "arguments": {"command": "rm -rf /tm', [], "cut"),
        (f'<tool_call>{one(LS)}</tool_call><tool_call>{{"name": "bash", "argu', [LS], "cut"),
        ("<tool_call>\n<function=bash>\n<parameter=command>\nrm -rf /tm", [], "cut"),
        ("<tool_call>\n<function=bash>\n<parameter=command>\nrm -rf /tmp\n</parameter>\n", [], "cut"),
        ("<tool_call>bash\n<arg_key>command</arg_key>\n<arg_value>rm -rf /tm", [], "cut"),
        ("<tool_call>bash\n<arg_key>command</arg_key>\n<arg_value>ls</arg_value>\n", [], "cut"),
        ('<tool_call>{"name": "bash", "arguments": {"command": "a"; "b"}}</tool_call>', [], "JSON"),
        ('[TOOL_CALLS]bash[ARGS]{"command": "ls"', [], "cut"),
        ('<tool_call>{"name": "bash", "arguments": {"command": "ls", "command": "rm"}}</tool_call>', [], "JSON"),
        ('<tool_call>{"name": "bash", "arguments": {"timeout_s": 1e999}}</tool_call>', [], "JSON"),
    ],
)  # fmt: skip
def test_what_is_cut_or_has_two_readings_is_never_called(text: str, calls: list[Any], problem: str):
    parsed = calls_in_text(text, TOOLS, "end")
    assert calls_of(parsed) == calls
    assert problem in parsed.problem
    assert found(text, "length") == calls


@given(st.sampled_from([case for case in CASES if case[2]]), st.data())
@settings(max_examples=400, deadline=None)
def test_a_cut_answer_calls_only_what_is_whole(
    case: tuple[str, str, list[Any]], data: st.DataObject
):
    _, text, calls = case
    cut = text[: data.draw(st.integers(0, len(text)))]
    for stop in ("length", "end"):
        some = found(cut, stop)
        assert some == calls[: len(some)]


def test_bare_calls_of_a_cut_answer_do_not_count_but_whole_frames_do():
    assert found(one(LS), "length") == []
    assert found(f"```json\n{one(LS)}\n```", "length") == []
    assert found(f"<tool_call>{one(LS)}</tool_call>\nNow I wi", "length") == [LS]
    assert found(qwen("bash", command="ls -l") + "\nwords", "length") == []


@pytest.mark.parametrize(
    "value",
    [
        "a\n</parameter>\n</function>\n</tool_call>\nrest",
        "x</parameter>\n</function>\n\nand more\n",
    ],
)
def test_a_value_that_seems_to_end_early_is_refused(value: str):
    assert found(f"<tool_call>\n{qwen('write_file', path='a', content=value)}\n</tool_call>") == []


@pytest.mark.parametrize(
    "value", ["", "\n", "\n\n", "x", "x\n", "\nx", "\nx\n", " x ", "\tx\n\n", "a\n\nb"]
)
def test_the_line_ends_of_a_value_are_kept_and_those_of_its_frame_are_not(value: str):
    wanted = [("write_file", {"path": "a", "content": value})]
    assert found(qwen("write_file", path="a", content=value)) == wanted
    assert found(glm("write_file", path="a", content=value)) == wanted
    inline = f'<invoke name="write_file"><parameter name="path">a</parameter><parameter name="content">{value}</parameter></invoke>'
    on_lines = value.startswith("\n") and value.endswith("\n") and len(value) > 1
    assert found(inline) == (
        wanted if not on_lines else [("write_file", {"path": "a", "content": value[1:-1]})]
    )
