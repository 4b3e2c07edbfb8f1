"""The system message. It is the same for every session of a version: what changes rides at the tail."""

from importlib.resources import files


def system_message() -> str:
    """Return the instructions that every session begins with."""
    return (
        files("hob.instructions").joinpath("prompts/agent.md").read_text(encoding="utf-8").strip()
    )
