"""git within the workspace, with everything off or refused by which a repository runs programs."""

import os
import re
import shlex
from pathlib import Path

from msgspec.structs import replace

from hob.core.messages import Details, ToolResult
from hob.core.ports import ExecResult, FileError, Sandbox
from hob.tools.bounds import cut_text, printable
from hob.tools.tool import failed, tool

_LIMIT_S = 60.0
_KEPT_BYTES = 131_072
_MAX_CONTENT = 12_000
_MAX_COMMITS = 200
_GIT = (
    "git", "--no-pager",
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.fsmonitor=false",
    "-c", "core.quotePath=false",
    "-c", "color.ui=false",
    "-c", "core.editor=true",
    "-c", "sequence.editor=true",
    "-c", "core.askPass=true",
    "-c", "credential.helper=",
    "-c", "log.showSignature=false",
    "-c", "user.useConfigOnly=true",  # a guessed name and address would be committed silently
    "-c", "safe.bareRepository=explicit",  # plain files named HEAD, objects, refs are no repository
    "-c", "submodule.recurse=false",
    "-c", "gc.auto=0",
    "-c", "maintenance.auto=false",
)  # fmt: skip
_ALWAYS = {
    "LC_ALL": "C",  # because refusals are recognised by their words
    "GIT_EDITOR": "true",
    "GIT_LITERAL_PATHSPECS": "1",
    # A partial clone fetches what it lacks, by whatever program its configuration names.
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
}
_READING = {**_ALWAYS, "GIT_OPTIONAL_LOCKS": "0", "GIT_CONFIG_NOSYSTEM": "1"}
# A submodule has a configuration of its own, which our options do not reach.
_DIFF = ("--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty")
# Keys by which a repository's own configuration runs programs and that no option of ours covers. Editors are
# overridden, diff drivers and signing switched off; nothing fetches, so helpers, ssh and proxies are never
# asked; nothing merges contents, so merge drivers are not either. A person who signs everywhere signs with
# the program of their own choice, not of the repository's.
_PROGRAMS = re.compile(
    r"""filter\..*\.(clean|smudge|process) | hook\..* | gc\.recentobjectshook
    | gpg\.(.*\.)?(program|defaultkeycommand) | core\.alternaterefscommand""",
    re.VERBOSE | re.DOTALL,
)
_UNSIGNED = "[not signed, as this repository wants it: signing would ask for a passphrase]"
_OFF = frozenset({"", "false", "no", "off", "0"})
_NOT_ITS_OWN = frozenset({"system", "global", "command"})
_CONFIG_BYTES = 1_048_576
_NO_REPOSITORY = "this is not a git repository; `git init` in bash makes one"
_NO_IDENTITY = "git has no user.name and user.email; ask the person to set them"
_NOTHING = "nothing to commit: no tracked file changed; name new files in paths"
_KNOWN = (
    ("not a git repository", _NO_REPOSITORY),
    ("cannot use bare repository", _NO_REPOSITORY),
    ("please tell me who you are", _NO_IDENTITY),
    ("no email was given", _NO_IDENTITY),
    ("no name was given", _NO_IDENTITY),
    ("does not have any commits yet", "there are no commits yet"),
    ("nothing to commit", "nothing to commit: the working tree is clean"),
    ("nothing added to commit", _NOTHING),
    ("no changes added to commit", _NOTHING),
    ("pathspec '.' did not match", _NOTHING),
    ("did not match any file", "a path does not exist; git_status shows what changed"),
)  # fmt: skip


@tool(access="read", replay="safe")
async def git_status(sandbox: Sandbox) -> ToolResult:
    """Show the branch and the changed files."""
    await _above(sandbox)
    result = await _git(
        sandbox, "status", "--short", "--branch", "--ignore-submodules=dirty", "--", ".",
        env=_READING,
    )  # fmt: skip
    return _told(result, "")


@tool(access="read", replay="safe")
async def git_diff(sandbox: Sandbox, path: str | None = None, staged: bool = False) -> ToolResult:
    """Show unstaged (or staged) changes as a diff."""
    await _above(sandbox)
    options = [*_DIFF, *(["--cached"] if staged else [])]
    scope = _inside(sandbox, "." if path is None else path)
    result = await _git(sandbox, "diff", *options, "--", scope, env=_READING)
    other = "unstaged" if staged else "staged"
    return _told(result, f"[no changes here; there may be {other} or untracked ones]")


@tool(access="read", replay="safe")
async def git_log(sandbox: Sandbox, limit: int = 10, path: str | None = None) -> ToolResult:
    """Show the latest commits."""
    above = await _above(sandbox)
    count = f"--max-count={min(max(1, limit), _MAX_COMMITS)}"
    form = "--format=%h %ad %an: %s"
    # A path, even ".", leaves out empty commits, so there is none if the workspace is everything.
    given = path if path is not None else "." if above else None
    scope = [] if given is None else [_inside(sandbox, given)]
    result = await _git(sandbox, "log", count, form, "--date=short", "--", *scope, env=_READING)
    return _told(result, "[no commits]")


@tool(access="write", replay="never")
async def git_commit(message: str, sandbox: Sandbox, paths: list[str] | None = None) -> ToolResult:
    """Commit the given paths, or all changes of tracked files."""
    if not message.strip():
        return failed("the message is empty; say what the commit does")
    above, keys = await _repository(sandbox)
    wanted = [_inside(sandbox, path) for path in paths or ["."]]
    await _no_submodules(sandbox, wanted)
    if paths:
        added = await _git(sandbox, "add", "-A", "--", *wanted, env=_ALWAYS)
        if added.exit_code != 0:
            return _told(added, "")
    # Everything goes by -a, because a merge cannot be committed in part.
    scope = ["--", *wanted] if paths or above else ["-a"]
    unsigned = "commit.gpgsign" in keys
    options = ["--no-gpg-sign"] if unsigned else []
    result = _told(await _git(sandbox, "commit", *options, "-m", message, *scope, env=_ALWAYS), "")
    if result.is_error:
        return result
    notes = [_UNSIGNED] if unsigned else []
    if above and not paths:
        notes.append(f"[changes of this workspace only; its repository {above!r} is larger]")
    return replace(result, content="\n".join([result.content, *notes]))


@tool(access="write", replay="never")
async def git_branch(sandbox: Sandbox, name: str | None = None) -> ToolResult:
    """List branches, or switch to one, creating it if it is new."""
    above = await _above(sandbox)
    if name is None:
        result = await _git(sandbox, "branch", "--no-column", "--no-color", env=_READING)
        return _told(result, "[no branches: there are no commits yet]")
    if not name or name.startswith("-"):
        return failed(f"{name!r} is no branch name; start it with a letter")
    if above:
        return failed(
            f"the workspace is only a folder of the repository {above!r}, and a switch would change "
            "files outside it; use git in bash"
        )
    await _no_submodules(sandbox, ["."])
    known = await _git(
        sandbox, "show-ref", "--verify", "--quiet", f"refs/heads/{name}", env=_READING
    )
    create = [] if known.exit_code == 0 else ["-c"]
    return _told(await _git(sandbox, "switch", "--no-guess", *create, name, env=_ALWAYS), "")


async def _above(sandbox: Sandbox) -> str:
    return (await _repository(sandbox))[0]


async def _repository(sandbox: Sandbox) -> tuple[str, set[str]]:
    """Return the top folder of the repository if the workspace is a folder in it, else "", and its own keys.

    Raises `FileError` if the repository's own configuration would run programs, or work elsewhere.
    """
    keys = await _own_keys(sandbox)
    programs = next((key for key in keys if _PROGRAMS.fullmatch(key)), "")
    if programs:
        shown = printable(programs)
        raise FileError(f"this repository's configuration runs programs ({shown}); use git in bash")
    asked = await _git(sandbox, "rev-parse", "--show-toplevel", "--show-prefix", env=_READING)
    top, _, prefix = asked.stdout.partition("\n")
    prefix = prefix.strip("\n/")
    found = asked.exit_code == 0
    if "core.worktree" in keys and not (found and Path(top, prefix) == Path(sandbox.root)):
        raise FileError("this repository's core.worktree is another folder; use git in bash")
    return (top if found and prefix else ""), keys


async def _own_keys(sandbox: Sandbox) -> set[str]:
    """Return what the repository itself configures, with all it includes, but for what is off."""
    listed = await sandbox.exec(
        [*_GIT, "config", "--list", "--show-scope", "--includes", "-z"],
        timeout_s=_LIMIT_S, max_bytes=_CONFIG_BYTES, env=_READING,
    )  # fmt: skip
    if listed.exit_code != 0 or listed.stdout_bytes > _CONFIG_BYTES:
        said = cut_text(listed.stderr.strip(), _MAX_CONTENT) or "it is too long"
        raise FileError(f"this repository's configuration cannot be read: {said}; repair it first")
    fields = listed.stdout.split("\0")
    keys: set[str] = set()
    for scope, setting in zip(fields[::2], fields[1::2], strict=False):
        key, _, value = setting.partition("\n")
        off = key == "commit.gpgsign" and "\n" in setting and value.lower() in _OFF
        # What the person has set for all repositories, such as LFS, is theirs to run.
        if scope not in _NOT_ITS_OWN and not off:
            keys.add(key.lower())
    return keys


def _inside(sandbox: Sandbox, path: str) -> str:
    """Return a path for git. Raises `FileError` if it leads out of the workspace.

    Judged by its letters, as git does it, which never goes through a link.
    """
    whole = os.path.normpath(Path(sandbox.root, path))
    if not path or os.path.commonpath([sandbox.root, whole]) != sandbox.root:
        raise FileError(f"{path!r} is outside the workspace {sandbox.root!r}; use a path inside it")
    return path


async def _no_submodules(sandbox: Sandbox, paths: list[str]) -> None:
    """Raise `FileError` for a submodule that is checked out.

    To see whether it changed, git would start another git in it, which obeys its configuration alone.
    """
    listing = shlex.join([*_GIT, "ls-files", "--stage", "--", *paths])
    found = await sandbox.exec(
        ["sh", "-c", f"{listing} | grep '^160000 '"],
        timeout_s=_LIMIT_S, max_bytes=_CONFIG_BYTES, env=_READING,
    )  # fmt: skip
    for line in found.stdout.splitlines():
        path = line.partition("\t")[2]
        # Quoted by git or cut by us: a name that we cannot look up counts as there.
        odd = path.startswith('"') or not path
        if odd or sandbox.stat(f"{path}/.git") is not None:
            raise FileError(
                f"the submodule {path!r} has a configuration of its own that could run programs; "
                "commit other paths, or use git in bash"
            )


async def repository_above(sandbox: Sandbox) -> str:
    """Return the top folder of the repository if the workspace is a folder in it, else "". Raises `FileError`."""
    return await _above(sandbox)


async def run_git(sandbox: Sandbox, *arguments: str, env: dict[str, str]) -> ExecResult:
    """Run git with everything off by which it would run programs; its output up to 1 MB."""
    return await sandbox.exec(
        [*_GIT, *arguments], timeout_s=_LIMIT_S, max_bytes=_CONFIG_BYTES, env={**_ALWAYS, **env}
    )


async def _git(sandbox: Sandbox, *arguments: str, env: dict[str, str]) -> ExecResult:
    return await sandbox.exec(
        [*_GIT, *arguments], timeout_s=_LIMIT_S, max_bytes=_KEPT_BYTES, env=env
    )


def _told(result: ExecResult, nothing: str) -> ToolResult:
    """Return what git said; known refusals become one sentence."""
    details = Details(result.stdout, result.stderr, result.exit_code)
    if result.exit_code == 0:
        # `switch` and `commit` tell part of it on stderr, also when all went well.
        said = result.stdout.strip("\n") or result.stderr.strip("\n") or nothing
        whole = result.stdout_bytes <= _KEPT_BYTES
        content = cut_text(said, _MAX_CONTENT, None if whole else result.stdout_bytes)
        return ToolResult(content or "[done]", details=details)
    if result.timed_out:
        said = f"git was still busy after {_LIMIT_S:g}s and was stopped"
    else:
        output = result.stderr + result.stdout
        words = output.lower()
        known = next((sentence for phrase, sentence in _KNOWN if phrase in words), "")
        said = known or f"git failed (exit code {result.exit_code}):\n{output.strip()}"
    return ToolResult(cut_text(said, _MAX_CONTENT), is_error=True, details=details)
