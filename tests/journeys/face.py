"""Driving the real command as a person or a script would."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HOB = [sys.executable, "-m", "hob.main"]


class Shell:
    """One person's machine: a home of its own, a workspace, no model but the one named."""

    def __init__(self, folder: Path) -> None:
        self.workspace = folder / "workspace"
        self.workspace.mkdir(parents=True, exist_ok=True)
        self.home = folder / "home"
        self.home.mkdir(exist_ok=True)
        kept = {
            name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ
        }
        self.environment = {**kept, "HOME": str(self.home), "HOB_DATA_DIR": str(folder / "data")}

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start hob; output is piped."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        settings: dict[str, Any] = {**pipes, "text": True, **options}
        return subprocess.Popen(
            [*HOB, *arguments], cwd=self.workspace, env=self.environment, **settings
        )

    def hob(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run hob to its end."""
        given = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
        return subprocess.run(
            [*HOB, *arguments],
            cwd=self.workspace,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **given,
        )

    def run(
        self, base_url: str, task: str, *arguments: str, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a task against a model server."""
        return self.hob(
            "run", "--base-url", base_url, "--model", "scripted", *arguments, task, stdin=stdin
        )

    def result(self, base_url: str, task: str, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Run a task and return the exit code and the JSON result."""
        done = self.run(base_url, task, "--output-format", "json", *arguments)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout.splitlines()[-1])

    def export(self, session_id: str) -> list[dict[str, Any]]:
        """Return the stored events of a session."""
        done = self.hob("sessions", "export", session_id)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]
