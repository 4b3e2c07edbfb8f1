"""The words of the text protocol: how a model without tool calling acts, and how it writes edits.

They stand at the end of the system message and never change inside a session.
"""

import json
from collections.abc import Iterable
from typing import Any

from hob.core.agent import ToolSpec

EDIT_TOOLS = ("apply_edits", "edit_file", "write_file")  # edit blocks stand for these

_ACT = """
# How you act

You have no function calling here. You act by blocks in your answer. They are carried out in order when your \
answer is complete, and the next message holds their results. An answer without such a block is your last \
one. If an answer is cut off inside a block, nothing of it is carried out: send all its blocks again.

To run a command, write a fence with the language bash (for any other quotation use another language):

```bash
python -m pytest -q
```

To use one of the tools below, write a fence with the language tool that holds one JSON object:

```tool
{"name": "read_file", "arguments": {"path": "src/app.py"}}
```
"""

_EDIT = """
# How you change files

There are no tools edit_file and write_file here; where you would use them, write edits into your answer \
as shown here. All edits of an answer are made, or none of them. Read a file before you change it.
"""

_BLOCK = """
path/to/file.py
```python
<<<<<<< SEARCH
lines of the file, exactly as they are
=======
the lines that replace them
>>>>>>> REPLACE
```
"""

_BLOCK_RULES = """
SEARCH holds whole lines that stand in one place of the file; give a few lines, not the file. Several places \
are several blocks. An empty SEARCH makes a new file. If a file has such markers itself, write yours with \
nine signs.
"""

FORMAT_TEXTS = {
    "diff": f"The path stands alone on the line above the fence.\n{_BLOCK}{_BLOCK_RULES}",
    "diff-fenced": "The path is the first line in the fence.\n"
    + _BLOCK.replace("path/to/file.py\n```python\n", "```python\npath/to/file.py\n")
    + _BLOCK_RULES,
    "whole": """Write the path alone on a line, then the whole new file in a fence, from its first line to its last. \
Leave nothing out. If the file holds fences, use a longer one around it.

path/to/file.py
```python
the whole file
```
""",
    "udiff": """Write a unified diff in a fence, as `diff -u` prints it; line numbers are not needed, two or three \
lines around each change are. For a new file the first name is /dev/null, for a deleted one the second.

```diff
--- a/path/to/file.py
+++ b/path/to/file.py
@@ ... @@
 a line before
-the old line
+the new line
 a line after
```
""",
}

PLANNER = """
# How you change files

You do not write edits. When you know what has to be changed, describe it in a fence with the language plan and \
end your answer; an editor, who has read all that you have read, makes the edits, and the next message holds the \
result. Say for each file what is to be changed, where, and how the new lines go. An answer without a plan and \
without a call is your last one.

```plan
In src/app.py, `load` has to close the file also when parsing fails: put the parsing into a `with` block.
```
"""

EDITOR = """
# Your part

An architect plans in this conversation and you make the edits. Write the edits for the last plan and nothing \
else: no commands, no explanations. All of them are made, or none.
"""

EDIT_NOW = "Write the edits for this plan now."


def protocol(tools: Iterable[ToolSpec], edit_format: str) -> str:
    """Return what the system message ends with: how to act, the tools, and the edit format."""
    listed = [_described(tool) for tool in tools if tool.name not in (*EDIT_TOOLS, "bash")]
    edits = f"{_EDIT}\n{FORMAT_TEXTS[edit_format]}"
    return f"{_ACT}\n" + "\n".join(listed) + f"\n{edits}"


def _described(tool: ToolSpec) -> str:
    schema: dict[str, Any] = json.loads(tool.parameters)
    required = schema.get("required", ())
    names = [name if name in required else f"{name}?" for name in schema.get("properties", {})]
    return f"- {tool.name}({', '.join(names)}): {tool.description}"
