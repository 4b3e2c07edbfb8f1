"""`hob run --with-tools refactor`: asked for, used, and still known to a session that goes on without the flag."""

import json
from pathlib import Path

import pytest

from hob.config import ConfigError, load
from hob.models.scripted import ScriptedCall, Turn, serve
from hob.tools.optional import OPTIONAL
from hob.wiring import agent
from journeys.face import Shell

WISH = {"action": "rename", "path": "core.py", "symbol": "compute", "to": "calc"}


def refactor(**more: object) -> Turn:
    return Turn(calls=(ScriptedCall("refactor", {**WISH, **more}),))


def test_a_rename_is_previewed_applied_and_goes_on_in_another_process(tmp_path: Path):
    shell = Shell(tmp_path)
    core, user = shell.workspace / "core.py", shell.workspace / "user.py"
    core.write_text("def compute():\n    return 1\n", encoding="utf-8")
    user.write_text("from core import compute\n\ncompute()\n", encoding="utf-8")
    script = [
        refactor(),
        refactor(apply=True, plan="p1"),
        Turn(text="Renamed."),
        refactor(symbol="calc", to="compute", apply=True),
        Turn(text="And back."),
    ]
    with serve(script) as server:
        done = shell.run(server.base_url, "rename it", "--with-tools", "refactor")
        assert done.returncode == 0, done.stderr
        assert core.read_text(encoding="utf-8") == "def calc():\n    return 1\n"
        assert user.read_text(encoding="utf-8") == "from core import calc\n\ncalc()\n"
        assert "    +def calc():\n" in done.stderr
        done = shell.run(server.base_url, "and back", "--continue")
        assert done.returncode == 0, done.stderr
        offered = [json.loads(request.body)["tools"] for request in server.requests]
    assert core.read_text(encoding="utf-8") == "def compute():\n    return 1\n"
    assert user.read_text(encoding="utf-8") == "from core import compute\n\ncompute()\n"
    names = [[tool["function"]["name"] for tool in tools] for tools in offered]
    assert all("refactor" in one and one == sorted(one) for one in names)
    assert sorted(path.name for path in shell.workspace.iterdir()) == ["core.py", "user.py"]


def test_optional_tools_are_added_by_name_and_only_then():
    plain = {spec.name for spec in agent().tools}
    assert plain.isdisjoint(OPTIONAL)
    assert {spec.name for spec in agent(("refactor",)).tools} == plain | {"refactor"}
    with pytest.raises(
        ConfigError, match=r"^There is no optional tool 'x': give one of .*refactor"
    ):
        agent(("x",))


@pytest.mark.parametrize(
    ("flags", "environment", "names"),
    [
        ({}, {}, ()),
        ({}, {"HOB_WITH_TOOLS": "refactor, other,"}, ("refactor", "other")),
        ({"with_tools": "refactor"}, {"HOB_WITH_TOOLS": "other"}, ("refactor",)),
        ({"with_tools": ""}, {"HOB_WITH_TOOLS": "other"}, ()),
    ],
)
def test_optional_tools_are_a_setting(
    flags: dict[str, object], environment: dict[str, str], names: tuple[str, ...]
):
    assert load(flags, environment).with_tools == names
