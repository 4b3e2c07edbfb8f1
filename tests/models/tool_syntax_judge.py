"""A second judge of the second parser: other tools, other words, other damage, written from the formats' own pages.

It knows nothing of the parser. `python tests/models/tool_syntax_judge.py [seed] [rounds]` prints its table.
"""

# ruff: noqa: E501 (a row of a table is one thing to read)

import json
import random
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from hob.core.agent import ToolSpec
from hob.models.tool_syntax import calls_in_text

Args = dict[str, Any]
Call = tuple[str, Args]

STRING: Args = {"type": "string"}
SCHEMAS: dict[str, Args] = {
    "http_get": {
        "url": STRING, "headers": {"type": "object"}, "timeout": {"type": "number"},
    },
    "sql_query": {
        "statement": STRING, "limit": {"type": "integer"}, "dry_run": {"type": "boolean"},
    },
    "save_note": {
        "title": STRING, "body": STRING, "tags": {"type": "array", "items": STRING},
    },
    "list_jobs": {},
    "deploy": {
        "mode": {"type": "string", "enum": ["fast", "safe"]},
        "target": {
            "type": "object",
            "properties": {"host": STRING, "ports": {"type": "array", "items": {"type": "integer"}}},
        },
    },
    "run_shell": {"script": STRING, "cwd": {"type": ["string", "null"]}},
}  # fmt: skip
REQUIRED = {
    "http_get": ["url"], "sql_query": ["statement"], "save_note": ["title", "body"],
    "list_jobs": [], "deploy": ["mode", "target"], "run_shell": ["script"],
}  # fmt: skip
TOOLS = tuple(
    ToolSpec(
        name,
        f"{name}.",
        json.dumps({"type": "object", "properties": properties, "required": REQUIRED[name]}),
    )
    for name, properties in SCHEMAS.items()
)

BODIES = [
    "one line",
    "Grüße, 世界 🚀",
    "def f(x):\n    return {\"a\": [1, 2], 'b': x}\n",
    "# Title\n\n```python\nprint('x')\n```\n\n- item\n",
    'He said "stop" and left.',
    "it's Tom's",
    "a\tb\\c \\d+ C:\\temp",
    '<div class="x">\n  <p>it\'s</p>\n</div>\n',
    "x = re.sub(r'</parameter>', '', y)  # </parameter> and <parameter=z>\n",
    "the tag </tool_call> closes it",
    "{{ jinja }} {% if a %}[TOOL_CALLS]{% endif %}",
    "  leading and trailing  ",
    "",
    "line one\n\n\nline four\n\n",
    'f(a=1, b="x"), g()',
    "> quoted\n> again",
]
SCRIPTS = [
    "ls -la /srv",
    "grep -rn 'TODO' src | head -5",
    "cat <<'EOF' > a.json\n{\"k\": [1, 2]}\nEOF",
    'for i in 1 2 3; do\n  echo "$i"\ndone',
    "awk '{print $1}' f.txt && rm -f \"f.txt\"",
    "python - <<E\nprint('hi')\nE\n",
]


def draw_call(rng: random.Random) -> Call:
    """Draw one call with arguments that fit its schema."""
    name = rng.choice(list(SCHEMAS))
    drawn: dict[str, Callable[[], Args]] = {
        "http_get": lambda: {"url": "https://example.org/a?b=c&d=%20", "headers": {"X-A": "1"}, "timeout": 2.5},
        "sql_query": lambda: {"statement": "SELECT *\nFROM t WHERE a <> 'b'", "limit": rng.randint(0, 99),
                              "dry_run": rng.random() < 0.5},
        "save_note": lambda: {"title": rng.choice(["A", "Über uns"]), "body": rng.choice(BODIES), "tags": ["x", "y z"]},
        "list_jobs": dict,
        "deploy": lambda: {"mode": "safe", "target": {"host": "h.example", "ports": [80, 443]}},
        "run_shell": lambda: {"script": rng.choice(SCRIPTS)},
    }  # fmt: skip
    args = drawn[name]()
    for key in list(args):
        if key not in REQUIRED[name] and rng.random() < 0.5:
            del args[key]
    return name, args


def dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def plain(value: Any) -> str:
    return value if isinstance(value, str) else dumps(value)


# --- the formats ---------------------------------------------------------------------------------

Writer = Callable[[list[Call], Callable[[Any], str]], str]


def deep(words: str) -> str:
    """Return one of DeepSeek's marks."""
    return f"<\uff5c{words.replace(' ', chr(0x2581))}\uff5c>"


def obj(call: Call, js: Callable[[Any], str], key: str = "arguments") -> str:
    return js({"name": call[0], key: call[1]})


def hermes(calls: list[Call], js: Callable[[Any], str]) -> str:
    return "\n".join(f"<tool_call>\n{obj(c, js)}\n</tool_call>" for c in calls)


def hermes_xml(calls: list[Call], js: Callable[[Any], str]) -> str:
    return "\n".join(
        f"<tool_call>\n<name>{n}</name>\n<arguments>{js(a)}</arguments>\n</tool_call>"
        for n, a in calls
    )


def qwen3_coder(calls: list[Call], js: Callable[[Any], str]) -> str:
    def one(call: Call) -> str:
        params = "".join(f"<parameter={k}>\n{plain(v)}\n</parameter>\n" for k, v in call[1].items())
        return f"<tool_call>\n<function={call[0]}>\n{params}</function>\n</tool_call>"

    return "\n".join(map(one, calls))


def mistral_list(calls: list[Call], js: Callable[[Any], str]) -> str:
    return "[TOOL_CALLS] [" + ", ".join(obj(c, js) for c in calls) + "]"


def mistral_args(calls: list[Call], js: Callable[[Any], str]) -> str:
    return "".join(f"[TOOL_CALLS]{n}[ARGS]{js(a)}" for n, a in calls)


def pythonic(calls: list[Call], js: Callable[[Any], str]) -> str:
    def one(call: Call) -> str:
        return f"{call[0]}({', '.join(f'{k}={v!r}' for k, v in call[1].items())})"

    return "[" + ", ".join(map(one, calls)) + "]"


def llama_json(calls: list[Call], js: Callable[[Any], str]) -> str:
    return "<|python_tag|>" + "; ".join(obj(c, js, "parameters") for c in calls)


def functionary(calls: list[Call], js: Callable[[Any], str]) -> str:
    return "\n".join(f">>>{n}\n{js(a)}" for n, a in calls)


def functionary_31(calls: list[Call], js: Callable[[Any], str]) -> str:
    return "\n".join(f"<function={n}>{js(a)}</function>" for n, a in calls)


def deepseek_v3(calls: list[Call], js: Callable[[Any], str]) -> str:
    inner = "\n".join(
        f"{deep('tool call begin')}function{deep('tool sep')}{n}\n```json\n{js(a)}\n```{deep('tool call end')}"
        for n, a in calls
    )
    return f"{deep('tool calls begin')}{inner}{deep('tool calls end')}"


def deepseek_v31(calls: list[Call], js: Callable[[Any], str]) -> str:
    inner = "".join(
        f"{deep('tool call begin')}{n}{deep('tool sep')}{js(a)}{deep('tool call end')}"
        for n, a in calls
    )
    return f"{deep('tool calls begin')}{inner}{deep('tool calls end')}{deep('end of sentence')}"


def glm(calls: list[Call], js: Callable[[Any], str]) -> str:
    def one(call: Call) -> str:
        pairs = "".join(
            f"<arg_key>{k}</arg_key>\n<arg_value>{plain(v)}</arg_value>\n"
            for k, v in call[1].items()
        )
        return f"<tool_call>{call[0]}\n{pairs}</tool_call>"

    return "\n".join(map(one, calls))


def gemma_code(calls: list[Call], js: Callable[[Any], str]) -> str:
    lines = "\n".join(f"{n}({', '.join(f'{k}={v!r}' for k, v in a.items())})" for n, a in calls)
    return f"```tool_code\n{lines}\n```"


def function_gemma(calls: list[Call], js: Callable[[Any], str]) -> str:
    def value(v: Any) -> str:
        if isinstance(v, str):
            return f"<escape>{v}<escape>"
        if isinstance(v, dict):
            return "{" + ",".join(f"{k}:{value(x)}" for k, x in v.items()) + "}"
        return "[" + ",".join(map(value, v)) + "]" if isinstance(v, list) else dumps(v)

    return "".join(f"<start_function_call>call:{n}{value(a)}<end_function_call>" for n, a in calls)


def harmony(calls: list[Call], js: Callable[[Any], str]) -> str:
    return "<|start|>assistant".join(
        f"<|channel|>commentary to=functions.{n} <|constrain|>json<|message|>{js(a)}<|call|>"
        for n, a in calls
    )


def command_r(calls: list[Call], js: Callable[[Any], str]) -> str:
    inner = ",\n".join(js({"tool_name": n, "parameters": a}) for n, a in calls)
    return f"Action: ```json\n[\n{inner}\n]\n```"


def command_r7b(calls: list[Call], js: Callable[[Any], str]) -> str:
    inner = ",\n".join(
        js({"tool_call_id": str(i), "tool_name": n, "parameters": a})
        for i, (n, a) in enumerate(calls)
    )
    return f"<|START_ACTION|>[\n{inner}\n]<|END_ACTION|>"


def fenced(calls: list[Call], js: Callable[[Any], str]) -> str:
    return "\n\n".join(f"```json\n{obj(c, js)}\n```" for c in calls)


def kimi(calls: list[Call], js: Callable[[Any], str]) -> str:
    inner = "".join(
        f"<|tool_call_begin|>functions.{n}:{i}<|tool_call_argument_begin|>{js(a)}<|tool_call_end|>"
        for i, (n, a) in enumerate(calls)
    )
    return f"<|tool_calls_section_begin|>{inner}<|tool_calls_section_end|>"


def minimax(calls: list[Call], js: Callable[[Any], str]) -> str:
    inner = "\n".join(
        f'<invoke name="{n}">\n'
        + "".join(f'<parameter name="{k}">{plain(v)}</parameter>\n' for k, v in a.items())
        + "</invoke>"
        for n, a in calls
    )
    return f"<minimax:tool_call>\n{inner}\n</minimax:tool_call>"


def granite(calls: list[Call], js: Callable[[Any], str]) -> str:
    return "<|tool_call|>[" + ", ".join(obj(c, js) for c in calls) + "]"


class Dialect(NamedTuple):
    """How a dialect is written and which kinds of damage can befall it."""

    write: Writer
    kind: str  # json, tags, python or tokens
    last: bool  # it has to be the last thing of an answer


DIALECTS: dict[str, Dialect] = {
    "hermes json": Dialect(hermes, "json", False),
    "hermes xml": Dialect(hermes_xml, "json", False),
    "qwen3-coder": Dialect(qwen3_coder, "tags", False),
    "mistral list": Dialect(mistral_list, "json", False),
    "mistral args": Dialect(mistral_args, "json", False),
    "llama pythonic": Dialect(pythonic, "python", True),
    "llama json": Dialect(llama_json, "json", False),
    "functionary v3": Dialect(functionary, "json", False),
    "functionary 3.1": Dialect(functionary_31, "json", False),
    "deepseek v3": Dialect(deepseek_v3, "json", False),
    "deepseek v3.1": Dialect(deepseek_v31, "json", False),
    "glm 4.5": Dialect(glm, "tags", False),
    "gemma tool_code": Dialect(gemma_code, "python", True),
    "function gemma": Dialect(function_gemma, "tokens", False),
    "harmony": Dialect(harmony, "json", False),
    "command r": Dialect(command_r, "json", True),
    "command r7b": Dialect(command_r7b, "json", False),
    "fenced json": Dialect(fenced, "json", True),
    "kimi k2": Dialect(kimi, "json", False),
    "minimax m2": Dialect(minimax, "tags", False),
    "granite": Dialect(granite, "json", False),
}

# --- the damage ----------------------------------------------------------------------------------

CLOSERS = {
    "hermes json": "</tool_call>", "hermes xml": "</tool_call>", "command r7b": "<|END_ACTION|>",
    "deepseek v3": deep("tool call end"), "deepseek v3.1": deep("tool call end"), "kimi k2": "<|tool_call_end|>",
    "functionary 3.1": "</function>", "harmony": "<|call|>",
}  # fmt: skip


TWICE = {
    **CLOSERS,
    "qwen3-coder": "</tool_call>",
    "glm 4.5": "</tool_call>",
    "minimax m2": "</minimax:tool_call>",
}


def python_repr(value: Any) -> str:
    return repr(value)


def bare_keys(value: Any) -> str:
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(
                f"{k if k.isidentifier() else dumps(k)}: {bare_keys(v)}" for k, v in value.items()
            )
            + "}"
        )
    return dumps(value)


def trailing_commas(value: Any) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{dumps(k)}: {trailing_commas(v)}" for k, v in value.items())
        return "{" + inner + ("," if value else "") + "}"
    return dumps(value)


def raw_breaks(value: Any) -> str:
    return (
        dumps(value)
        .replace("\\\\", "\0")
        .replace("\\n", "\n")
        .replace("\\t", "\t")
        .replace("\0", "\\\\")
    )


def smart_quotes(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"“{k}”: {smart_quotes(v)}" for k, v in value.items()) + "}"
    return (
        f"“{value}”"
        if isinstance(value, str) and '"' not in value and "\\" not in value and "\n" not in value
        else dumps(value)
    )


def inner_quotes(value: Any) -> str:
    return dumps(value).replace('\\"', '"')


def indented(value: Any) -> str:
    return json.dumps(value, indent=2)


def twice(value: Any) -> str:
    if isinstance(value, dict):
        value = {k: dumps(v) if k in ("arguments", "parameters") else v for k, v in value.items()}
    return dumps(value)


JSON_DAMAGE: dict[str, Callable[[Any], str]] = {
    "python literals": python_repr, "bare keys": bare_keys, "trailing commas": trailing_commas,
    "raw line ends": raw_breaks, "smart quotes": smart_quotes, "inner quotes": inner_quotes,
    "indented": indented, "encoded twice": twice,
}  # fmt: skip
BEFORE = [
    "", "", "I'll take care of it.\n\n", "Let me check the config first.\n", "The tests fail because the parser returns None. ",
    "<think>\nMaybe I call list_jobs: {\"name\": \"list_jobs\"}?\n</think>\n\n", "Sure! 🚀\n", "好的。\n",
]  # fmt: skip
BEFORE_LAST = [
    "", "", "I'll take care of it:\n\n", "Let me check.\n\n", "<think>\nhm\n</think>\n\n", "Now I will run it.\n",
]  # fmt: skip
AFTER = ["", "", "", "\n", "\n\n", "<|im_end|>", "</s>", "<|eot_id|>"]
AFTER_FREE = ["", "\n\nI wait for the result.", "\nDone with this step.\n"]


class Case(NamedTuple):
    dialect: str
    damage: str
    text: str
    calls: list[Call]


def draw_case(rng: random.Random, name: str, damage: str) -> Case:
    """Draw an answer in a dialect; damage "" is none."""
    dialect = DIALECTS[name]
    calls = [draw_call(rng) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
    js = JSON_DAMAGE.get(damage, dumps)
    core = dialect.write(calls, js)
    if damage == "closer missing":
        head, _, tail = core.rpartition(CLOSERS[name])
        core = (head + tail).rstrip()
    elif damage == "closer twice":
        core += "\n" + TWICE[name]
    elif damage == "brace missing":
        core = core.replace("}\n" + CLOSERS[name], "\n" + CLOSERS[name]).replace(
            "}" + CLOSERS[name], CLOSERS[name]
        )
    elif damage == "brace too many":
        core = core.replace("}\n" + CLOSERS[name], "}}\n" + CLOSERS[name]).replace(
            "}" + CLOSERS[name], "}}" + CLOSERS[name]
        )
    elif damage == "in a fence":
        core = core.replace("<tool_call>\n{", "<tool_call>\n```json\n{").replace(
            "}\n</tool_call>", "}\n```\n</tool_call>"
        )
    elif damage == "no outer tag":
        core = core.replace("<tool_call>\n<function", "<function").replace(
            "</function>\n</tool_call>", "</function>"
        )
    elif damage == "parameter open":
        core = core.replace("\n</parameter>\n<parameter=", "\n<parameter=", 1)
    elif damage == "no line ends":
        core = core.replace("</arg_key>\n<arg_value>", "</arg_key><arg_value>").replace(
            "</arg_value>\n<", "</arg_value><"
        )
    elif damage == "more space":
        core = (
            core.replace("<parameter ", "\n  <parameter ")
            .replace("<arg_key>", "\n<arg_key>")
            .replace("</function>", "\n</function>\n")
        )
    elif damage == "trailing comma":
        core = core.replace(")]", ",)]") if calls[-1][1] else core
    elif damage == "prefixed name":
        core = core.replace('"name": "', '"name": "functions.')
    before = rng.choice(BEFORE_LAST if dialect.last else BEFORE)
    after = rng.choice(AFTER if dialect.last or name == "llama json" else AFTER + AFTER_FREE)
    if name == "functionary v3" and before and not before.endswith("\n"):
        before += "\n"
    return Case(name, damage, before + core + after, calls)


def damages(name: str) -> list[str]:
    """Return the kinds of damage that a dialect can take."""
    kinds = [""]
    if DIALECTS[name].kind == "json":
        kinds += [d for d in JSON_DAMAGE if d != "encoded twice" or name not in ("functionary v3",)]
    if name in CLOSERS:
        kinds += ["closer missing"]
    if name in TWICE:
        kinds += ["closer twice"]
    if DIALECTS[name].kind == "tags":
        kinds += ["more space"]
    if name == "glm 4.5":
        kinds += ["no line ends"]
    if name == "llama pythonic":
        kinds += ["trailing comma"]
    if name in ("hermes json", "functionary 3.1", "kimi k2", "deepseek v3.1"):
        kinds += ["brace missing", "brace too many"]
    if name == "hermes json":
        kinds += ["in a fence", "prefixed name"]
    if name == "qwen3-coder":
        kinds += ["no outer tag", "parameter open"]
    return kinds


def read(text: str, stop: Any = "end") -> list[Call]:
    return [(c.name, json.loads(c.arguments)) for c in calls_in_text(text, TOOLS, stop).calls]


def quotations(case: Case, rng: random.Random) -> list[str]:
    """Return texts that quote an answer without meaning it."""
    core = case.text
    for before in [*BEFORE, *BEFORE_LAST]:
        if before and core.startswith(before):
            core = core[len(before) :]
    core = core.strip()
    longer = "`" * (5 + core.count("````"))
    tick = "``" if "`" in core else "`"
    lines = core.split("\n")
    found = [
        f"{longer}\n{core}\n{longer}",
        f"Here is how it is written:\n\n{longer}text\n{core}\n{longer}\n\nThat is all.",
        "\n".join(f"> {line}" for line in lines),
        "The format:\n\n" + "\n".join(f"    {line}" for line in lines),
        f"<think>\n{core}\n</think>\nNo, I am done.",
        f"I could send\n{core}\n</think>\nNo, I am done.",
        f"<think>{core}",
        f"For example, a model could answer:\n\n{core}",
        f"The server returned this response:\n\n{core}",
        f"- {lines[0]}\n" + "\n".join(f"  {line}" for line in lines[1:]),
        f"~~~~~\n{core}\n~~~~~\n",
    ]
    if len(lines) == 1:
        found += [
            f"Write {tick} {core} {tick} to call it.",
            f"Such a call looks like {core} and is read by the server.",
            f"| dialect | form |\n|---|---|\n| x | {core} |",
            f"TEMPLATE = '{core}'",
        ]
    return found


def measure(
    seed: int, rounds: int
) -> tuple[Counter[str], Counter[str], list[Case], list[str], list[str]]:
    """Return cases and recovered ones by "dialect" and "dialect/damage", what was not, and what was invented."""
    rng = random.Random(seed)
    total: Counter[str] = Counter()
    good: Counter[str] = Counter()
    missed: list[Case] = []
    invented: list[str] = []
    partial: list[str] = []
    rows = [(name, damage) for name in DIALECTS for damage in damages(name) for _ in range(rounds)]
    for name, damage in rows:
        case = draw_case(rng, name, damage)
        right = read(case.text) == case.calls
        for key in (name, f"{name}/{damage}"):
            total[key] += 1
            good[key] += right
        if not right:
            missed.append(case)
        invented += [text for text in quotations(case, rng) if read(text)]
        cut = case.text[: rng.randrange(len(case.text))]
        for found in (read(cut, "length"), read(cut, "end")):
            if found != case.calls[: len(found)]:
                partial.append(cut)
    return total, good, missed, invented, partial


def main(seed: int = 20261124, rounds: int = 12) -> None:
    """Print the table."""
    total, good, missed, invented, partial = measure(seed, rounds)
    print(f"seed {seed}, {rounds} answers per dialect and damage")
    for name in DIALECTS:
        weak = ", ".join(
            f"{key.partition('/')[2] or 'whole'} {good[key]}/{total[key]}"
            for key in total
            if key.startswith(f"{name}/") and good[key] < total[key]
        )
        print(
            f"{name:16} {good[name]:5} of {total[name]:5}  {100 * good[name] / total[name]:6.1f} %  {weak}"
        )
    every = sum(total[name] for name in DIALECTS)
    print(
        f"{'all':16} {every - len(missed):5} of {every:5}  {100 * (1 - len(missed) / every):6.1f} %"
    )
    print(
        f"invented from quotations: {len(invented)}; wrong calls out of cut answers: {len(partial)}"
    )
    for case in missed[:40] if "-v" in sys.argv else ():
        print(
            "---",
            case.dialect,
            "|",
            case.damage,
            "\n",
            case.text,
            "\n  WANTED",
            case.calls,
            "\n  GOT   ",
            read(case.text),
        )
    for text in (invented + partial)[:20] if "-v" in sys.argv else ():
        print("=== INVENTED", repr(text), "\n  GOT   ", read(text), read(text, "length"))


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    main(*numbers)
