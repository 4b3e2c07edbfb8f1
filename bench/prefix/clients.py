"""Clients that send a conversation in other ways: a window that slides each turn, pruning in blocks, nothing at all."""

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from prefix.engine_proxy import post

STUB = "[Old output cleared]"
BASH = {
    "type": "function",
    "function": {
        "name": "bash",
        "description": "Run a command.",
        "parameters": {
            "type": "object",
            "properties": {"command": {"type": "string"}},
            "required": ["command"],
        },
    },
}
Policy = Callable[[list[dict[str, Any]]], None]


def sliding(messages: list[dict[str, Any]], keep: int = 3) -> None:
    """Clear every result older than the last ones, each turn: what many agents do."""
    for old in _results(messages)[:-keep]:
        old["content"] = STUB


def blocks(messages: list[dict[str, Any]], at: int = 6) -> None:
    """Clear all results but the last as soon as there are six."""
    whole = [m for m in _results(messages) if m["content"] != STUB]
    if len(whole) >= at:
        for old in whole[:-1]:
            old["content"] = STUB


def append_only(messages: list[dict[str, Any]]) -> None:
    """Change nothing: what mini-swe-agent does, until the window is full."""


def converse(base_url: str, system: str, task: str, folder: Path, policy: Policy) -> None:
    """Hold the conversation until the model calls no tool; raises `HTTPError` when the server refuses."""
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": system},
        {"role": "user", "content": task},
    ]
    while True:
        policy(messages)
        body = {"model": "tiny", "messages": messages, "tools": [BASH], "stream": False}
        said = post(f"{base_url}/chat/completions", body)["choices"][0]["message"]
        messages.append({**said, "content": said["content"] or ""})
        if not said.get("tool_calls"):
            return
        for call in said["tool_calls"]:
            told = run(json.loads(call["function"]["arguments"])["command"], folder)
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": told})


def run(command: str, folder: Path) -> str:
    """Return what a command prints."""
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=False
    ).stdout


def _results(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [message for message in messages if message["role"] == "tool"]
