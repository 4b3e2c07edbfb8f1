"""How each agent is started: Hob, the bare floor, mini-swe-agent."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workload import TASK

ROOT = Path(__file__).resolve().parent.parent
_BENCH_BIN = ROOT / ".venv-bench" / "bin"


@dataclass(frozen=True)
class Agent:
    """`by_shell`: it has no tool but a shell. `submits`: its task ends with a command. `streams`: it streams."""

    name: str
    program: Path
    by_shell: bool = False
    submits: bool = False
    streams: bool = True

    @property
    def installed(self) -> bool:
        """Say whether it is there."""
        return self.program.exists()

    def argv(self, base_url: str, repository: Path, state: Path) -> Sequence[str]:
        """Return the command line for the task."""
        match self.name:
            case "hob":
                said = ("--base-url", base_url, "--model", "scripted", "--permission-mode", "full")
                limit = ("--max-steps", "1000")
                return [str(self.program), "run", *said, *limit, "-C", str(repository), TASK]
            case "floor":
                return [sys.executable, str(self.program), base_url, TASK]
            case _:
                return [str(self.program), *_mini(base_url), "-o", str(state / "trajectory.json")]

    def environment(self, state: Path) -> Mapping[str, str]:
        """Return all that it sees: nothing of the person's own settings, no look-ups in the network."""
        own = {} if self.name != "mini" else _MINI_ENVIRONMENT
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(state),
            "HOB_DATA_DIR": str(state / "hob"),
            **own,
        }


HOB = Agent("hob", Path(sys.executable).parent / "hob")
FLOOR = Agent("floor", ROOT / "bench" / "floor.py")
MINI = Agent("mini", _BENCH_BIN / "mini", by_shell=True, submits=True, streams=False)

_MINI_ENVIRONMENT = {
    "MSWEA_CONFIGURED": "true",
    "MSWEA_SILENT_STARTUP": "1",
    "MSWEA_COST_TRACKING": "ignore_errors",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OPENAI_API_KEY": "none",
}


def _mini(base_url: str) -> Sequence[str]:
    # litellm imports a package for tools that it does not depend on; this switch of its own spares it.
    settings = (
        f"model.model_kwargs.api_base={base_url}",
        "model.model_kwargs._skip_mcp_handler=true",
    )
    specs = [part for spec in ("mini.yaml", *settings) for part in ("-c", spec)]
    return ["-m", "openai/scripted", "-y", "--exit-immediately", "-l", "0", "-t", TASK, *specs]
