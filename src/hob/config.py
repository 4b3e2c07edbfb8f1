"""Settings, read once at the door. Flags go before environment, user file and defaults; each value knows its origin."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MODES = ("read-only", "workspace-write", "full", "locked")
EDIT_FORMATS = ("tools", "diff", "diff-fenced", "whole", "udiff", "architect")
PROTOCOLS = ("chat", "responses", "messages")
SANDBOXES = ("local", "docker", "remote")
MODE_ALIASES = {
    "plan": "read-only",
    "auto-edit": "workspace-write",
    "default": "workspace-write",
    "yolo": "full",
    "bypass": "full",
}


CHECKPOINTS = ("on", "files", "off")


class ConfigError(ValueError):
    """A setting that cannot be used; the text names it, its origin and what is allowed."""


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of one run. `origins` says for each name where its value came from."""

    base_url: str = ""
    model: str = ""
    api_key: str = ""
    openai_base_url: str = ""
    openai_api_key: str = ""
    anthropic_base_url: str = ""
    anthropic_api_key: str = ""
    protocol: str = ""  # empty: as the server's address says
    keep_alive: str = "60m"  # how long Ollama keeps the model
    think: bool | None = None  # None: as the model does by itself
    slot: int | None = None  # of llama.cpp, if it is ours alone
    permission_mode: str = "workspace-write"
    max_steps: int | None = None
    max_wall_s: float | None = None
    max_output_tokens: int | None = None
    one_action: bool = False
    acknowledge_failures: bool = False
    checkpoints: str = "on"  # "files": only what file tools change; "off": nothing can be undone
    auto_commit: bool = False
    commit_trailer: bool = True
    bash_timeout_s: float = 30.0
    stateless_shell: bool = False
    first_token_timeout_s: float | None = None  # None: as the adapter thinks fit
    token_timeout_s: float | None = None
    load_timeout_s: float | None = None
    max_read_lines: int = 500
    scratchpad: bool = True  # the tool `think`
    max_trace_length: int = 2000  # characters of a thought that are kept
    context_tokens: int | None = None  # the window, where the server's own figure is not to be used
    compact_at: float = 0.8  # of the window
    compact_to: float = 0.4
    retain_tool_results: int = 5
    compress_diffs: bool = True
    externalize_reasoning: bool = True
    edit_format: str = "tools"
    editor_model: str = ""  # of the architect, on the same server; empty: the same model
    sandbox: str = "local"
    docker_image: str = ""
    docker_program: str = "docker"
    docker_network: str = "none"  # the name of one of the engine's networks, to let commands out
    remote_url: str = ""
    remote_key: str = ""
    with_tools: tuple[str, ...] = ()
    data_dir: Path = Path()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    origins: Mapping[str, str] = field(default_factory=dict[str, str])


def load(flags: Mapping[str, object], environment: Mapping[str, str] | None = None) -> Config:
    """Return the settings. `flags` holds only what the person gave. Raises `ConfigError`."""
    env = dict(os.environ if environment is None else environment)
    values: dict[str, object] = {"data_dir": _data_dir(env), "environment": env}
    origins: dict[str, str] = {}
    for name, variables in _VARIABLES.items():
        for variable in variables:
            if env.get(variable):
                values[name], origins[name] = _convert(name, env[variable], variable), variable
                break
    for name, value in flags.items():
        if value is not None:
            values[name], origins[name] = value, f"--{name.replace('_', '-')}"
    names = str(values.get("with_tools", "")).split(",")
    values["with_tools"] = tuple(name.strip() for name in names if name.strip())
    values["permission_mode"] = _mode(str(values.get("permission_mode", "workspace-write")))
    values["edit_format"] = _edit_format(str(values.get("edit_format", "tools")))
    _check_sandbox(values)
    _check_marks(values)
    if (protocol := str(values.get("protocol", ""))) not in ("", *PROTOCOLS):
        known = ", ".join(PROTOCOLS)
        raise ConfigError(f"Protocol {protocol!r} is not known: give one of {known}.")
    return Config(**values, origins=origins)  # pyright: ignore[reportArgumentType]


_VARIABLES: dict[str, tuple[str, ...]] = {
    "base_url": ("HOB_BASE_URL",),
    "model": ("HOB_MODEL",),
    "openai_base_url": ("OPENAI_BASE_URL",),
    "openai_api_key": ("OPENAI_API_KEY",),
    "api_key": ("HOB_API_KEY",),
    "anthropic_base_url": ("ANTHROPIC_BASE_URL",),
    "anthropic_api_key": ("ANTHROPIC_API_KEY",),
    "protocol": ("HOB_PROTOCOL",),
    "keep_alive": ("HOB_KEEP_ALIVE",),
    "think": ("HOB_THINK",),
    "slot": ("HOB_SLOT",),
    "permission_mode": ("HOB_PERMISSION_MODE",),
    "max_steps": ("HOB_MAX_STEPS",),
    "max_wall_s": ("HOB_MAX_WALL_TIME",),
    "max_output_tokens": ("HOB_MAX_OUTPUT_TOKENS",),
    "one_action": ("HOB_ONE_ACTION",),
    "acknowledge_failures": ("HOB_ACKNOWLEDGE_FAILURES",),
    "checkpoints": ("HOB_CHECKPOINTS",),
    "auto_commit": ("HOB_AUTO_COMMIT",),
    "commit_trailer": ("HOB_COMMIT_TRAILER",),
    "bash_timeout_s": ("HOB_BASH_TIMEOUT",),
    "stateless_shell": ("HOB_STATELESS_SHELL",),
    "first_token_timeout_s": ("HOB_FIRST_TOKEN_TIMEOUT",),
    "token_timeout_s": ("HOB_TOKEN_TIMEOUT",),
    "load_timeout_s": ("HOB_LOAD_TIMEOUT",),
    "max_read_lines": ("HOB_MAX_READ_LINES",),
    "scratchpad": ("HOB_SCRATCHPAD",),
    "max_trace_length": ("HOB_MAX_TRACE_LENGTH",),
    "context_tokens": ("HOB_CONTEXT_TOKENS",),
    "compact_at": ("HOB_COMPACT_AT",),
    "compact_to": ("HOB_COMPACT_TO",),
    "retain_tool_results": ("HOB_RETAIN_TOOL_RESULTS",),
    "compress_diffs": ("HOB_COMPRESS_DIFFS",),
    "externalize_reasoning": ("HOB_EXTERNALIZE_REASONING",),
    "edit_format": ("HOB_EDIT_FORMAT",),
    "editor_model": ("HOB_EDITOR_MODEL",),
    "sandbox": ("HOB_SANDBOX",),
    "docker_image": ("HOB_DOCKER_IMAGE",),
    "docker_program": ("HOB_DOCKER_PROGRAM",),
    "docker_network": ("HOB_DOCKER_NETWORK",),
    "remote_url": ("HOB_REMOTE_URL",),
    "remote_key": ("HOB_REMOTE_KEY",),
    "with_tools": ("HOB_WITH_TOOLS",),
}
_NUMBERS = {
    "max_steps": int,
    "max_wall_s": float,
    "max_output_tokens": int,
    "bash_timeout_s": float,
    "first_token_timeout_s": float,
    "token_timeout_s": float,
    "load_timeout_s": float,
    "max_read_lines": int,
    "max_trace_length": int,
    "context_tokens": int,
    "compact_at": float,
    "compact_to": float,
    "retain_tool_results": int,
}
_SWITCHED = frozenset(
    {
        "one_action",
        "acknowledge_failures",
        "stateless_shell",
        "auto_commit",
        "commit_trailer",
        "scratchpad",
        "think",
        "compress_diffs",
        "externalize_reasoning",
    }
)
_SWITCHES = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


def _convert(name: str, text: str, origin: str) -> object:
    if name in _NUMBERS:
        try:
            number = _NUMBERS[name](text)
        except ValueError:
            number = 0
        if not 0 < number < float("inf"):
            raise ConfigError(f"{origin} is {text!r}: give a number above zero.")
        return number
    if name == "slot":
        if not text.isdecimal():
            raise ConfigError(f"{origin} is {text!r}: give the number of a slot, from 0 on.")
        return int(text)
    if name == "checkpoints" and text not in CHECKPOINTS:
        raise ConfigError(f"{origin} is {text!r}: give one of {', '.join(CHECKPOINTS)}.")
    if name in _SWITCHED:
        if text.lower() not in _SWITCHES:
            raise ConfigError(f"{origin} is {text!r}: give 1 or 0.")
        return _SWITCHES[text.lower()]
    return text


def _mode(text: str) -> str:
    mode = MODE_ALIASES.get(text, text)
    if mode not in MODES:
        raise ConfigError(f"Permission mode {text!r} is not known: give one of {', '.join(MODES)}.")
    return mode


def _edit_format(text: str) -> str:
    if text not in EDIT_FORMATS:
        raise ConfigError(
            f"Edit format {text!r} is not known: give one of {', '.join(EDIT_FORMATS)}."
        )
    return text


def _check_marks(values: Mapping[str, object]) -> None:
    high, low = values.get("compact_at", 0.8), values.get("compact_to", 0.4)
    assert isinstance(high, float)
    assert isinstance(low, float)
    if not low < high <= 0.9 or low > 0.6:
        raise ConfigError(
            f"HOB_COMPACT_AT is {high:g} and HOB_COMPACT_TO is {low:g}: give shares of the window, the first at"
            " most 0.9, the second at most 0.6 and below the first."
        )


def _check_sandbox(values: Mapping[str, object]) -> None:
    kind, url = str(values.get("sandbox", "local")), str(values.get("remote_url", ""))
    if kind not in SANDBOXES:
        raise ConfigError(f"Sandbox {kind!r} is not known: give one of {', '.join(SANDBOXES)}.")
    if kind == "docker" and not values.get("docker_image"):
        raise ConfigError("The docker sandbox needs an image: set HOB_DOCKER_IMAGE.")
    if kind == "remote" and re.fullmatch(r"https?://[^/\s?#]+[^\s?#]*", url) is None:
        raise ConfigError(
            f"HOB_REMOTE_URL is {url!r}: give a SWE-ReX server, as http://127.0.0.1:8000."
        )


def _data_dir(env: Mapping[str, str]) -> Path:
    """Return the folder for sessions: HOB_DATA_DIR, else the XDG data folder (XDG Base Directory 0.8)."""
    if env.get("HOB_DATA_DIR"):
        return Path(env["HOB_DATA_DIR"]).expanduser().absolute()
    home = Path(env.get("HOME") or "~").expanduser()
    base = env.get("XDG_DATA_HOME", "")
    return (Path(base) if base.startswith("/") else home / ".local" / "share") / "hob"
