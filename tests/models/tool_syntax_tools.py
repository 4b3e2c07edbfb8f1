"""The tools that the tests of the second parser offer, and how they read its answers."""

import json
from typing import Any

from hob.core.agent import ToolSpec
from hob.models.tool_syntax import Parsed, calls_in_text


def tool(name: str, properties: dict[str, Any], required: list[str]) -> ToolSpec:
    schema = {"type": "object", "properties": properties, "required": required}
    return ToolSpec(name, f"{name}.", json.dumps(schema))


TEXT = {"type": "string"}
TOOLS = (
    tool("bash", {"command": TEXT, "timeout_s": {"type": "integer"}}, ["command"]),
    tool(
        "edit_file",
        {"path": TEXT, "old": TEXT, "new": TEXT, "all": {"type": "boolean"}},
        ["path", "old", "new"],
    ),
    tool("git_status", {}, []),
    tool("read_file", {"path": TEXT, "start_line": {"type": ["integer", "null"]}}, ["path"]),
    tool(
        "search",
        {
            "pattern": TEXT,
            "paths": {"type": "array", "items": TEXT},
            "options": {
                "type": "object",
                "properties": {"case": {"type": "boolean"}, "depth": {"type": "number"}},
            },
        },
        ["pattern"],
    ),
    tool("write_file", {"path": TEXT, "content": TEXT}, ["path", "content"]),
)

LS = ("bash", {"command": "ls -l"})
STATUS = ("git_status", {})
READ = ("read_file", {"path": "a.py"})


def calls_of(parsed: Parsed) -> list[tuple[str, Any]]:
    return [(call.name, json.loads(call.arguments)) for call in parsed.calls]


def found(text: str, stop: Any = "end") -> list[tuple[str, Any]]:
    return calls_of(calls_in_text(text, TOOLS, stop))
