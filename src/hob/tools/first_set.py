"""The tools of the first set, sorted by name: what every agent has if nobody says otherwise."""

from hob.core.ports import Blobs, Sandbox
from hob.tools.git import git_branch, git_commit, git_diff, git_log, git_status
from hob.tools.outputs import Outputs, read_output
from hob.tools.read import list_dir, read_file
from hob.tools.search import glob, grep
from hob.tools.settings import Settings
from hob.tools.shell import bash
from hob.tools.shell_state import Shell
from hob.tools.terminal import Terminals, shell_session
from hob.tools.think import think
from hob.tools.tool import FunctionTool
from hob.tools.write import delete_file, edit_file, move_file, write_file

TOOLS: tuple[FunctionTool, ...] = (
    bash,
    delete_file,
    edit_file,
    git_branch,
    git_commit,
    git_diff,
    git_log,
    git_status,
    glob,
    grep,
    list_dir,
    move_file,
    read_file,
    read_output,
    shell_session,
    think,
    write_file,
)


def belongings(sandbox: Sandbox, settings: Settings, blobs: Blobs) -> dict[type, object]:
    """Return what the tools of one session share between calls, by type, for `bind`."""
    outputs = Outputs(blobs)
    shell = Shell(sandbox, settings, outputs)
    return {Outputs: outputs, Shell: shell, Terminals: Terminals(shell)}
