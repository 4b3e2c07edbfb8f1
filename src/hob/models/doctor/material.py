"""What the doctor sends: words that nobody would guess, tools of equal size, conversations that differ in one part."""

from typing import Any

import msgspec

Json = dict[str, Any]

_SYLLABLES = ("ba", "ker", "lo", "mi", "nus", "per", "qua", "rin", "so", "tel", "ud", "vax")
_LONG_WORDS = 100

CANARY_SYSTEM = "zorvelin"
CANARY_USER = "quabdorf"
CANARY_ARGUMENT = "mirtophel"
CANARY_FIRST = "klentaro"
CANARY_SECOND = "wupfandel"
CANARY_ANSWER = "jostrebin"
CANARY_THOUGHT = "drelvinko"
TOOL = "probe_lookup"
OTHER_TOOL = "probe_measure"

ASK = "Say yes."


def words(count: int, seed: int = 0) -> str:
    """Return made-up words, different ones for each seed."""
    n = len(_SYLLABLES)
    made = (
        _SYLLABLES[(i + seed) % n]
        + _SYLLABLES[(i * 5 + 3 + seed) % n]
        + _SYLLABLES[(i // n + seed) % n]
        for i in range(count)
    )
    return " ".join(made)


LONG = words(_LONG_WORDS)


def tool(name: str, about: str = "Look a thing up in the store of the workshop.") -> Json:
    """Return a tool with one text parameter."""
    schema = {
        "type": "object",
        "properties": {"text": {"type": "string", "description": "What to look for."}},
        "required": ["text"],
    }
    return {
        "type": "function",
        "function": {"name": name, "description": about, "parameters": schema},
    }


ONE_TOOL = (tool(TOOL),)
THREE_TOOLS = (tool(TOOL), tool(OTHER_TOOL), tool("probe_compare"))


def system(text: str) -> Json:
    """Return a system message."""
    return {"role": "system", "content": text}


def user(text: str) -> Json:
    """Return a user message."""
    return {"role": "user", "content": text}


def said(text: str, reasoning: str = "") -> Json:
    """Return an answer in words."""
    message = {"role": "assistant", "content": text}
    return message | ({"reasoning_content": reasoning} if reasoning else {})


def called(*texts: str, content: str | None = "", reasoning: str = "") -> Json:
    """Return an answer that calls a tool once for each text."""
    calls = [
        {
            "id": _call_id(number),
            "type": "function",
            "function": {
                "name": TOOL if number == 0 else OTHER_TOOL,
                "arguments": arguments(text),
            },
        }
        for number, text in enumerate(texts)
    ]
    message = {"role": "assistant", "content": content, "tool_calls": calls}
    return message | ({"reasoning_content": reasoning} if reasoning else {})


def result(text: str, number: int = 0) -> Json:
    """Return a tool's result, for the call of that number in the message before."""
    return {"role": "tool", "tool_call_id": _call_id(number), "content": text}


def arguments(text: str) -> str:
    """Return a call's arguments, as JSON."""
    return msgspec.json.encode({"text": text}).decode()


def description(of: Json) -> tuple[str, str]:
    """Return a tool's name and what it says of itself."""
    return of["function"]["name"], of["function"]["description"]


def _call_id(number: int) -> str:
    """Return an id of nine letters and digits: the templates of Mistral refuse any other."""
    return f"probe{number:04d}"
