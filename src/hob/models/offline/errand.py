"""Bash commands that carry a script into the workspace, and the reading of what it prints."""

import json
import re
import shlex
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

PACKAGE = "hob.models.offline.onsite"
AWAY = "hob_onsite"
PARTS = ("trace", "failure", "plain", "pytests", "suite", "survey")
END = "HOB_END_OF_FILE"
LINE = re.compile(r"HOB-OFFLINE (\d+)/(\d+) (.*)")
FIND_PYTHON = 'PY=$(command -v python3 || command -v python) || { echo "no python"; exit 127; }'


@cache
def script(name: str) -> str:
    """Return a script's text as it runs in the workspace."""
    text = files(PACKAGE).joinpath(f"{name}.py").read_text(encoding="utf-8")
    return text.replace(PACKAGE, AWAY)


def command(title: str, name: str, job: dict[str, Any], python: str = "") -> str:
    """Return a command that runs one script with a job, from a folder that is gone afterwards."""
    start = f"import json, sys\nfrom {AWAY}.{name} import main\n"
    start += "with open(sys.argv[1], encoding='utf-8') as file:\n    main(json.load(file))\n"
    lines = [f"# {title}", f"PY={shlex.quote(python)}" if python else FIND_PYTHON]
    lines += ["D=$(mktemp -d) || exit 1", "trap 'rm -rf \"$D\"' EXIT", f'mkdir "$D/{AWAY}"']
    contents = {f"{AWAY}/__init__.py": "", "__main__.py": start}
    contents |= {f"{AWAY}/{part}.py": script(part) for part in (*PARTS, name)}
    contents["job.json"] = json.dumps(job, separators=(",", ":")) + "\n"
    for path, text in contents.items():
        lines.append(f"cat > \"$D/{path}\" <<'{END}'\n{text}{END}")
    lines.append('"$PY" -B "$D" "$D/job.json"')
    return "\n".join(lines)


# Tests may start a Python that heeds neither -B nor the environment: its caches are removed by their age.
TIDY = (
    "find . -path '*/__pycache__/*.pyc' -newer \"$D\" -exec rm -f {} + 2>/dev/null\n"
    'find . -depth -type d -name __pycache__ -newer "$D" -empty -exec rmdir {} + 2>/dev/null\n'
)


def plain_command(title: str, words: str, litter: tuple[str, ...] = ()) -> str:
    """Return a command that runs these words and reports their exit code; `litter` names where they may write."""
    away = "".join(f'export {name}="$D/{name.lower()}"\n' for name in litter)
    tidy = TIDY if litter else ""
    folder = "D=$(mktemp -d) || exit 1\ntrap 'rm -rf \"$D\"' EXIT\n" if litter else ""
    return (
        f"# {title}\n{folder}{away}"
        f"out=$({words} 2>&1); code=$?\n{tidy}"
        "printf '%s\\n' \"$out\" | tail -n 12\n"
        'echo "HOB-OFFLINE 1/1 {\\"exit\\":$code}"'
    )


def answer(content: str) -> dict[str, Any] | None:
    """Return what a script reported, or None if the report is missing or was cut."""
    parts: dict[int, str] = {}
    total = 0
    for found in LINE.finditer(content):
        total = int(found[2])
        parts[int(found[1])] = found[3]
    if not total or any(number not in parts for number in range(1, total + 1)):
        return None
    try:
        return msgspec.json.decode(
            "".join(parts[number] for number in range(1, total + 1)), type=dict[str, Any]
        )
    except msgspec.DecodeError:
        return None
