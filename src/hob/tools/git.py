"""git, with everything off that a repository could use to run its own programs."""

from hob.core.messages import Details, ToolResult
from hob.core.ports import ExecResult, Sandbox
from hob.tools.bounds import cut_text
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
    "-c", "log.showSignature=false",
    "-c", "user.useConfigOnly=true",  # a guessed name and address would be committed silently
    "-c", "safe.bareRepository=explicit",  # plain files named HEAD, objects, refs are no repository
    "-c", "submodule.recurse=false",
)  # fmt: skip
# The C locale, because refusals are recognised by their words.
_ALWAYS = {"LC_ALL": "C", "GIT_LITERAL_PATHSPECS": "1"}
_READING = {**_ALWAYS, "GIT_OPTIONAL_LOCKS": "0", "GIT_CONFIG_NOSYSTEM": "1"}
# A submodule has a configuration of its own, which our options do not reach.
_DIFF = ("--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty")
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
    ("did not match any file", "a path does not exist; git_status shows what changed"),
)  # fmt: skip


@tool(access="read", replay="safe")
async def git_status(sandbox: Sandbox) -> ToolResult:
    """Show the branch and the changed files."""
    result = await _git(
        sandbox, "status", "--short", "--branch", "--ignore-submodules=dirty", env=_READING
    )
    return _told(result, "")


@tool(access="read", replay="safe")
async def git_diff(sandbox: Sandbox, path: str | None = None, staged: bool = False) -> ToolResult:
    """Show unstaged (or staged) changes as a diff."""
    options = [*_DIFF, *(["--cached"] if staged else [])]
    result = await _git(sandbox, "diff", *options, "--", *_paths(path), env=_READING)
    other = "unstaged" if staged else "staged"
    return _told(result, f"[no changes here; there may be {other} or untracked ones]")


@tool(access="read", replay="safe")
async def git_log(sandbox: Sandbox, limit: int = 10, path: str | None = None) -> ToolResult:
    """Show the latest commits."""
    count = f"--max-count={min(max(1, limit), _MAX_COMMITS)}"
    form = "--format=%h %ad %an: %s"
    result = await _git(
        sandbox, "log", count, form, "--date=short", "--", *_paths(path), env=_READING
    )
    return _told(result, "[no commits]")


@tool(access="write", replay="never")
async def git_commit(message: str, sandbox: Sandbox, paths: list[str] | None = None) -> ToolResult:
    """Commit the given paths, or all changes of tracked files."""
    if not message.strip():
        return failed("the message is empty; say what the commit does")
    if not paths:
        return _told(await _git(sandbox, "commit", "-a", "-m", message, env=_ALWAYS), "")
    added = await _git(sandbox, "add", "-A", "--", *paths, env=_ALWAYS)
    if added.exit_code != 0:
        return _told(added, "")
    return _told(await _git(sandbox, "commit", "-m", message, "--", *paths, env=_ALWAYS), "")


@tool(access="write", replay="never")
async def git_branch(sandbox: Sandbox, name: str | None = None) -> ToolResult:
    """List branches, or switch to one, creating it if it is new."""
    if name is None:
        result = await _git(sandbox, "branch", "--no-column", "--no-color", env=_READING)
        return _told(result, "[no branches: there are no commits yet]")
    if not name or name.startswith("-"):
        return failed(f"{name!r} is no branch name; start it with a letter")
    known = await _git(
        sandbox, "show-ref", "--verify", "--quiet", f"refs/heads/{name}", env=_READING
    )
    create = [] if known.exit_code == 0 else ["-c"]
    return _told(await _git(sandbox, "switch", "--no-guess", *create, name, env=_ALWAYS), "")


def _paths(path: str | None) -> list[str]:
    return [] if path is None else [path]


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
