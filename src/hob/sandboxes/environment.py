"""What is kept from the agent: most of our environment from children, some paths from file tools."""

from collections.abc import Iterable, Mapping

_ALLOWED = frozenset({
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "VIRTUAL_ENV",
    # A Hob inside a Hob's command must still be found when the outer one cleans up.
    "HOB_CALL",
})  # fmt: skip
_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
_GUARDS = {
    "AGENT": "hob",
    "TERM": "dumb",
    "NO_COLOR": "1",
    # Nothing may wait for a person: no pager, no editor, no password prompt.
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "EDITOR": "true",
    "GIT_EDITOR": "true",
    "GIT_TERMINAL_PROMPT": "0",
    # Into a pipe Python writes 8 KB at a time; what a killed program printed would be lost.
    "PYTHONUNBUFFERED": "1",
}


# What people keep their keys in, directly below their home.
_SECRETS = (".ssh", ".aws", ".gnupg", ".kube", ".netrc", ".docker", ".config/gh")


def sensitive_paths(home: str, data_dir: str) -> tuple[str, ...]:
    """Return what file tools must not touch: Hob's own data, and the keys in a person's home.

    Either may be "" if there is none. In /proc stand the environment and the memory of every process.
    """
    below = tuple(f"{home.rstrip('/')}/{name}" for name in _SECRETS) if home else ()
    return (*((data_dir,) if data_dir else ()), *below, "/proc")


def child_environment(
    parent: Mapping[str, str], session_id: str = "", named: Iterable[str] = ()
) -> dict[str, str]:
    """Return a child's environment: allow-listed names of `parent`, guards, what the user named.

    `named` are the names that the user wants passed on (a trailing `*` is a prefix); they win over
    the guards. Tokens, agent sockets and cloud variables are never passed unless named.
    """
    env = {k: v for k, v in parent.items() if k in _ALLOWED or k.startswith("LC_")}
    env.setdefault("PATH", _DEFAULT_PATH)
    env.update(_GUARDS)
    env["AGENT_SESSION_ID"] = session_id
    return {**env, **_named(parent, named)}


def far_environment(
    parent: Mapping[str, str], session_id: str = "", named: Iterable[str] = ()
) -> dict[str, str]:
    """Return what we add to the environment of a container or another machine.

    Paths, people and languages of this machine mean nothing there, so of the allow-list only the time
    zone goes along, with the guards and what the user named.
    """
    env = child_environment({"TZ": parent["TZ"]} if "TZ" in parent else {}, session_id)
    del env["PATH"]
    return {**env, **_named(parent, named)}


def _named(parent: Mapping[str, str], named: Iterable[str]) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for name in named:
        if name.endswith("*"):
            chosen.update({k: v for k, v in parent.items() if k.startswith(name[:-1])})
        elif name in parent:
            chosen[name] = parent[name]
    return chosen
