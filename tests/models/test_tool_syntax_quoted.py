"""No call out of what is only quoted, thought, explained or shown."""

# ruff: noqa: E501 (a row of a table is one thing to read)

import pytest

from hob.models.tool_syntax import calls_in_text
from models.tool_syntax_tools import TOOLS, found

CALL = '{"name": "bash", "arguments": {"command": "rm -rf /"}}'
HERMES = f"<tool_call>\n{CALL}\n</tool_call>"
LINE = f"<tool_call>{CALL}</tool_call>"
CODER = "<function=bash>\n<parameter=command>\nrm -rf /\n</parameter>\n</function>"
MISTRAL = f"[TOOL_CALLS] [{CALL}]"
PYTHONIC = '[bash(command="rm -rf /")]'
ARGUMENTS = '{"command": "rm -rf /"}'
HARMONY = f"<|channel|>commentary to=functions.bash <|constrain|>json<|message|>{ARGUMENTS}<|call|>"
KIMI = f"<|tool_calls_section_begin|><|tool_call_begin|>functions.bash:0<|tool_call_argument_begin|>{ARGUMENTS}<|tool_call_end|><|tool_calls_section_end|>"
GLM = "<tool_call>bash\n<arg_key>command</arg_key>\n<arg_value>rm -rf /</arg_value>\n</tool_call>"

QUOTED = {
    # Fences and code.
    "a fence of xml": f"I saw this:\n\n```xml\n{HERMES}\n```\n",
    "a fence without a language": f"```\n{HERMES}\n```",
    "a longer fence": f"````\n```json\n{CALL}\n```\n````",
    "a longer fence, and words": "Write it so:\n\n````markdown\n```tool_code\nbash(command='x')\n```\n````\n",
    "tildes": f"~~~\n{MISTRAL}\n~~~",
    "a fence that is never closed": f"```text\n{HERMES}\n",
    "a fence of python": "I'd do:\n```python\nbash(command='rm -rf /')\n```",
    "a fence of bash": "Run this:\n```bash\nrm -rf /\n```",
    "a fence of javascript": f"```js\nconst call = {CALL}\n```",
    "json in a fence, words behind": f"```json\n{CALL}\n```\nThis is what came over the wire.",
    "json in a fence, an explanation before": f"The config file contains:\n\n```json\n{CALL}\n```",
    "json in a fence, a report before": f"The server answered with the following:\n\n```json\n{CALL}\n```",
    "json in a fence, a neutral word before": f"Payload\n\n```json\n{CALL}\n```",
    "json in a fence that was left open": f"```json\n{CALL}\n",
    "json in a fence with more keys": '```json\n{"name": "bash", "version": "1.0", "arguments": {"command": "ls"}}\n```',
    "two fences, one of them no call": f"```json\n{CALL}\n```\n```json\n{{\"a\": 1}}\n```",
    "indented code": "The format:\n\n    <tool_call>\n    " + CALL + "\n    </tool_call>\n",
    "indented with a tab": f"The format:\n\n\t{LINE}\n",
    "a code span": f"Send `{LINE}` to run it.",
    "a code span of two backticks": f"Send `` {LINE} `` to run it.",
    "a code span over a frame's beginning": f"It begins with `<tool_call>` and then {CALL} and `</tool_call>`.",
    "code spans around the lines": f"`{HERMES}`",
    # Quoted lines.
    "quoted lines": "\n".join(f"> {line}" for line in HERMES.split("\n")),
    "a quoted line": f"> {LINE}\n",
    "quoted twice": f"> > {MISTRAL}\n",
    "quoted without a space": f">{LINE}",
    "a quoted fence": f"> ```json\n> {CALL}\n> ```\n",
    # Thoughts.
    "a thought": f"<think>\nI could send\n{HERMES}\n</think>\nDone.",
    "a thought without words behind": f"<think>{HERMES}</think>",
    "a thought that is never closed": f"<think>\nhm\n{HERMES}",
    "a thought whose opening is in the template": f"perhaps\n{HERMES}\n</think>\n\nDone.",
    "a thought with an open fence": f"perhaps\n```\nx\n{HERMES}\n</think>\nDone.",
    "a thought with a broken frame": f"perhaps\n{HERMES}\n<tool_call>{{\"a\": \n</think>\nDone.",
    "thinking": f"<thinking>\n{CODER}\n</thinking>\nDone.",
    "a thought in the middle": f"I look.\n<think>{LINE}</think>\nDone.",
    "Mistral's thought": f"[THINK]{MISTRAL}[/THINK]Done.",
    "Command R's thought": f"<|START_THINKING|>{LINE}<|END_THINKING|>Done.",
    "harmony's analysis": f"<|channel|>analysis<|message|>Maybe {LINE}<|end|><|start|>assistant<|channel|>final<|message|>Done.",
    "a call on harmony's analysis": HARMONY.replace("commentary", "analysis"),
    "harmony's analysis, never ended": f"<|channel|>analysis<|message|>Maybe\n{HERMES}",
    "json at the end of a thought": f"<think>\n{CALL}\n</think>",
    "Gemma's thought": f"<|channel>thought\n{HERMES}\n<channel|>Done.",
    # Prose that talks about calls.
    "for example": f"For example you could send {LINE}",
    "for example, on lines of its own": f"For example:\n\n{HERMES}",
    "two examples": f"For example:\n\n{HERMES}\n\nor, in short:\n\n{LINE}",
    "an example, then another dialect": f"For example, Hermes:\n{HERMES}\nMistral:\n{MISTRAL}\nQwen:\n{CODER}",
    "looks like": f"A tool call of Qwen looks like this:\n{CODER}\nThe server parses it.",
    "the model emits": f"The model emits\n{HERMES}\nand the server does not understand it.",
    "inside a sentence": f"When the server sees {LINE} it runs the command.",
    "at the end of a sentence": f"The server is waiting for {LINE}.",
    "in brackets": f"It was left in the text ({LINE}).",
    "in quotation marks": f'The log says "{LINE}"\n',
    "in a list": f"Dialects:\n\n- Hermes: {LINE}\n- Mistral: {MISTRAL}\n",
    "in a list, on its own": f"- {LINE}\n- {MISTRAL}\n",
    "in a numbered list": f"1. {LINE}\n2. {GLM}\n",
    "in a table": f"| Hermes | {LINE} |\n| Mistral | {MISTRAL} |\n",
    "under a heading": f"## Format of Hermes\n\n{HERMES}\n\n## Format of Mistral\n\n{MISTRAL}\n",
    "in a heading": f"# {LINE}\n",
    "a comment": f"// {LINE}\n# {MISTRAL}\n",
    "do not": f"Never send this again:\n{HERMES}",
    "you could": f"You could call it like so:\n{HERMES}\n",
    "it would be": f"In the pythonic form this would be:\n\n{PYTHONIC}",
    "the server returned": f"The server returned this text:\n\n{HERMES}\n\nSo the parser is wrong.",
    "pythonic in a sentence": f"Call {PYTHONIC} to clean up.",
    "pythonic after an explanation": f"The tools are called in Python's syntax:\n{PYTHONIC}",
    "a python call in words": "Then call bash(command='rm -rf /') and you are done.",
    "json in a sentence": f"The arguments are {CALL}",
    "json after an explanation": f"A request has the form\n\n{CALL}",
    "json, then words": f"{CALL}\n\nThis is what it received.",
    "harmony, explained": f"gpt-oss writes {HARMONY} for a call.",
    "kimi, explained": f"Kimi K2 writes calls between marks:\n\n{KIMI}\n",
    "a word about a tag": "The <tool_call> tag is not closed in the template, so nothing is parsed.",
    "tags without a call": "<tool_call>\n...\n</tool_call>",
    "a tag and dots": "<tool_call>{...}</tool_call>",
    # Data and code that only looks like a call.
    "a manifest": '{"name": "bash", "version": "5.2", "description": "A shell"}',
    "a manifest of an offered tool": '{"name": "git_status"}',
    "a tool's definition": '{"name": "bash", "description": "Run.", "parameters": {"type": "object", "properties": {"command": {"type": "string"}}}}',
    "definitions in a tag": '<tools>\n{"type": "function", "function": {"name": "bash", "description": "Run.", "parameters": {"type": "object", "properties": {}}}}\n</tools>',
    "a schema as parameters": '```json\n{"name": "bash", "parameters": {"type": "object", "properties": {"command": {"type": "string"}}}}\n```',
    "arguments that do not fit": '```json\n{"name": "bash", "arguments": {"cmd": "ls"}}\n```',
    "a needed parameter is missing": '```json\n{"name": "write_file", "arguments": {"path": "a"}}\n```',
    "an unknown tool": '```json\n{"name": "shell", "arguments": {"command": "ls"}}\n```',
    "a list with other things": f"[{CALL}, 1]",
    "a configuration": '```json\n{"tools": [{"name": "bash", "arguments": {"command": "ls"}}]}\n```',
    "a Jinja template": "{%- for tool_call in message.tool_calls %}\n{{- '<tool_call>\\n{\"name\": \"' + tool_call.name + '\", \"arguments\": ' }}\n"
                        "{{- tool_call.arguments | tojson }}\n{{- '}\\n</tool_call>' }}\n{%- endfor %}",
    "a Jinja template with calls in it": "{%- if x %}{{ '" + LINE + "' }}{% endif %}",
    "a string in code": f"PROMPT = '{LINE}'\n",
    "a string over lines": f'PROMPT = """{HERMES}"""\n',
    "a test in code": f"assert calls('{MISTRAL}') == 1\n",
    "a diff": f"+{LINE}\n-{MISTRAL}\n",
    "a log": f"12:01:03 INFO {LINE}\n",
    "a prompt of Python": ">>> bash\n{'command': 'rm -rf /'}\n",
    "functionary without its mark": f"Now bash\n{ARGUMENTS}",
    "a link": f"see [bash]({ARGUMENTS})",
    "a result in a tag": f"<tool_response>\n{CALL}\n</tool_response>",
    "html": f"<pre>{LINE}</pre>",
    "html over lines": f"<pre>\n{HERMES}\n</pre>",
    "a comment of html": f"<!-- {LINE} -->",
    "a comment of html over lines": f"<!--\n{HERMES}\n-->",
    # Two readings, or cut.
    "a value with the end of its frame in it": CODER.replace("rm -rf /", "echo\n</parameter>\n</function>\n\nx"),
    "words behind a frame on its line": f"{LINE} was what I sent.",
    "a frame in the middle of words": f"I sent {LINE}\n",
    "cut in a string": HERMES[:60],
    "cut before the end of the arguments": LINE[:-14],
}  # fmt: skip


@pytest.mark.parametrize("name", QUOTED)
@pytest.mark.parametrize("stop", ["end", "length"])
def test_no_call_is_invented(name: str, stop: str):
    assert found(QUOTED[name], stop) == []


@pytest.mark.parametrize("name", QUOTED)
def test_quoted_text_stays_as_it_is(name: str):
    assert calls_in_text(QUOTED[name], TOOLS, "end").text == QUOTED[name]


@pytest.mark.parametrize(
    "name", [name for name in QUOTED if "cut" not in name and "never" not in name]
)
def test_a_call_behind_a_quotation_is_either_found_alone_or_not_at_all(name: str):
    status = '<tool_call>\n{"name": "git_status", "arguments": {}}\n</tool_call>'
    text = f"{QUOTED[name]}\n\nThat is how it is. Now I look.\n\n{status}"
    assert found(text) in ([], [("git_status", {})])


def test_a_file_that_holds_quotations_is_written_as_it_is():
    for text in QUOTED.values():
        for written in (
            f"<function=write_file>\n<parameter=path>\nx.md\n</parameter>\n<parameter=content>\n{text}\n</parameter>\n</function>",
            f"<tool_call>write_file\n<arg_key>path</arg_key>\n<arg_value>x.md</arg_value>\n<arg_key>content</arg_key>\n<arg_value>{text}</arg_value>\n</tool_call>",
        ):
            assert found(f"I write it.\n<tool_call>\n{written}\n</tool_call>" if "<f" in written[:2] else written) in (
                [("write_file", {"path": "x.md", "content": text})], [],
            )  # fmt: skip


# What stands before an unfenced call: announcements of something to be looked at, and of something that is done.
ANNOUNCED = [
    "For example:",
    "Here is an example of a call:",
    "Hermes models use this form:",
    "The chat template renders a call as:",
    "The assistant's raw answer was:",
    "This is what arrived in `content`:",
    "The log shows:",
    "What the user pasted:",
    "Expected output:",
    "To call a tool, the model has to produce:",
    "A malformed call:",
    "then the parser has to find one call. Consider:",
    "Input:",
    "Given this text:",
    "The first one is parsed, the second one is not:",
    "The regex should match this:",
    "This one is broken:",
    "Let me show you an example:",
    "I'll explain the format. Each call is wrapped in tags:",
    "I'll describe what happened. The model sent:",
    "Note that this would run the command:",
    "Don't ever send this:",
    "which the server left in the text:",
    "The prompt ends with",
    "Here's how the model calls the tool:",
]
DONE = [
    "I'll start by exploring the repository structure to understand what we're working with.",
    "The error is in `src/app.py`; let me open it.",
    "Looking at the template, the tag is never closed. I'll fix that now.",
    "First, I'll check the config file for the current format:",
    "The server returned a 500 error, so let me check the logs.",
    "Let's check what the model sends.",
    "I should read the file before editing it.",
    "Checking the syntax of the template:",
    "You could be right about that. Let me verify.",
    "It looks like the import is missing. I'll add it.",
    "The request is sent twice, for example when the user retries. Let me look at the client.",
    "The spec says the output must have a trailing newline. Let me check.",
    "Ich schaue mir die Datei an:",
    "让我看看这个文件\uff1a",
    "Reading the file:",
    "Tool call:",
    "Step 1: read the config",
    "Hmm, that didn't work. The model emits an extra newline. Let me strip it:",
]
FORMS = [HERMES, LINE, CODER, MISTRAL, GLM, KIMI, HARMONY, PYTHONIC, CALL, f"```json\n{CALL}\n```"]


@pytest.mark.parametrize("words", ANNOUNCED)
def test_a_call_that_is_announced_as_a_text_is_none(words: str):
    for form in FORMS:
        for gap in ("\n", "\n\n"):
            assert found(f"I looked into it.\n\n{words}{gap}{form}") == []


@pytest.mark.parametrize("words", DONE)
def test_a_call_that_is_announced_as_a_deed_is_one(words: str):
    for form in FORMS:
        for gap in ("\n", "\n\n"):
            assert found(f"{words}{gap}{form}") == [("bash", {"command": "rm -rf /"})]
