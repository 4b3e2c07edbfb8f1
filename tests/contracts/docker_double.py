"""A double of the `docker` command line: a real program that writes down its argv and works here.

`exec` runs the command on this machine, in an environment made only of what was passed on; `rm` kills
what the container ran. Its folder holds calls.jsonl (every argv) and containers.json; a file `broken`
makes every call fail with its text.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import termios
from contextlib import suppress
from pathlib import Path


def install(folder: Path) -> Path:
    """Make the double a program named docker in a new folder; return the folder."""
    folder.mkdir()
    program = folder / "docker"
    program.write_text(f"#!{sys.executable} -SE\n{Path(__file__).read_text('utf-8')}", "utf-8")
    program.chmod(0o755)
    return folder


FOLDER = Path(sys.argv[0]).resolve().parent
STATE = FOLDER / "containers.json"
TWO = {"--name", "--label", "--network", "--cap-drop", "--security-opt", "--pids-limit", "--memory",
       "--cpus", "--user", "--tmpfs", "--mount", "--workdir", "--env", "--entrypoint", "--pull",
       "--userns", "--filter", "--format"}  # fmt: skip


def parse(arguments: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    options: dict[str, list[str]] = {}
    rest = list(arguments)
    while rest and rest[0].startswith("--"):
        name = rest.pop(0)
        options.setdefault(name, []).append(rest.pop(0) if name in TWO else "")
    return options, rest


def variables(options: dict[str, list[str]]) -> dict[str, str]:
    pairs = [one.partition("=") for one in options.get("--env", [])]
    return {name: value if equals else os.environ[name] for name, equals, value in pairs}


def main(argv: list[str]) -> int:
    with (FOLDER / "calls.jsonl").open("a") as log:
        log.write(json.dumps(argv) + "\n")
    broken = FOLDER / "broken"
    if broken.exists():
        sys.stderr.write(broken.read_text())
        return 125
    containers = json.loads(STATE.read_text()) if STATE.exists() else {}
    options, rest = parse(argv[1:])
    if argv[0] == "run":
        name = options["--name"][0]
        containers[name] = {"env": variables(options), "labels": options["--label"]}
        STATE.write_text(json.dumps(containers))
        print(name)
    elif argv[0] == "ps":
        print("\n".join(containers))
    elif argv[0] == "inspect":
        return inspect(containers, rest, options["--format"][0])
    elif argv[0] == "rm":
        for name in rest:
            remove(name)
            containers.pop(name, None)
        STATE.write_text(json.dumps(containers))
    else:
        return execute(containers, options, rest)
    return 0


def inspect(containers: dict[str, dict[str, object]], names: list[str], form: str) -> int:
    for name in names:
        if name not in containers:
            print(f"Error: No such object: {name}", file=sys.stderr)
            return 1
        labels = dict(one.split("=", 1) for one in containers[name]["labels"])
        print("true" if "Running" in form else f"{name} {labels['hob.process']}")
    return 0


def execute(containers: dict[str, dict], options: dict[str, list[str]], rest: list[str]) -> int:
    name, *command = rest
    if name not in containers:
        print(f"Error response from daemon: No such container: {name}", file=sys.stderr)
        return 1
    # The container's home is its own; here it has to be a folder beside this program.
    home = str(FOLDER / f"home-{name}")
    env = {**containers[name]["env"], **variables(options), "HOME": home}
    env |= {"PATH": os.environ["PATH"], "FAKE_CONTAINER": name}
    command = [home if one == "/tmp/home" else one for one in command]
    if "--tty" in options:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # may be ignored where tests run
        os.chdir(options["--workdir"][0])
        os.execvpe(command[0], command, env)
    process = subprocess.run(
        command, env=env, cwd=(options.get("--workdir") or [None])[0], check=False
    )
    return process.returncode


def remove(name: str) -> None:
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if (
                process.name.isdecimal()
                and f"FAKE_CONTAINER={name}".encode() in (process / "environ").read_bytes()
            ):
                os.kill(int(process.name), signal.SIGKILL)
    for folder in (f"/tmp/.{name}", FOLDER / f"home-{name}"):
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
