"""The tools of the first set, sorted by name: what every agent has if nobody says otherwise."""

from hob.tools.git import git_branch, git_commit, git_diff, git_log, git_status
from hob.tools.read import list_dir, read_file
from hob.tools.search import glob, grep
from hob.tools.shell import bash
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
    think,
    write_file,
)
