"""How much of each prompt the real engine has to compute: Hob beside other ways of sending a conversation.

The engine is llama.cpp's server with one slot and no hidden cache, on a tiny model with random weights;
`engine_proxy` makes it write a script. So the counts are the engine's own, for real templates and a real cache.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from threading import Thread
from urllib.error import HTTPError
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests")]

from agents import MINI  # noqa: E402
from prefix.clients import BASH, append_only, blocks, converse, sliding  # noqa: E402
from prefix.engine_proxy import Proxy, Row, command, post  # noqa: E402
from prefix.hob_client import converse_as_hob  # noqa: E402

from hob.models.script import Turn  # noqa: E402
from tiny.engine import Engine, engine  # noqa: E402
from tiny.templates import GOOD  # noqa: E402

HEAD_TOKENS, RESULT_TOKENS = 1500, 300
FRAME_TOKENS = 22  # what the template puts around a result
SHORT, LONG = 12, 200
WINDOW = 32_768
TASK = "Read every part in order and say when all of it is read."
WORDS = """the file was read and the value of each line is the same as before so nothing
has to change""".split()  # noqa: SIM905


def main(argv: list[str]) -> int:
    """Measure, print, and return the exit code: 1 if Hob did not do what the script says."""
    options = _options(argv)
    results: dict[str, list[Row]] = {}
    ends: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="hob-prefix-") as name:
        folder = Path(name)
        with engine(GOOD["chatml"], n_ctx=8192 + 2 * WINDOW, slots=1) as running:
            make_parts(running, folder, LONG)
            head = text_of(running, HEAD_TOKENS - tokens(running, json.dumps(BASH)))
        short = {
            "sliding window, each turn": lambda p: converse(
                p.base_url, head, TASK, folder, sliding
            ),
            "pruning in blocks": lambda p: converse(p.base_url, head, TASK, folder, blocks),
            "append-only, no compaction": lambda p: converse(
                p.base_url, head, TASK, folder, append_only
            ),
            "Hob's loop, the same head": lambda p: converse_as_hob(
                p.base_url, head, BASH, TASK, folder
            ),
        }
        for label, client in short.items():
            results[f"{SHORT} turns: {label}"], _ = measure(SHORT, WINDOW, client)
        steps = 40 if options.quick else options.steps
        long = {
            "sliding window, each turn": lambda p: converse(
                p.base_url, head, TASK, folder, sliding
            ),
            "hob run": lambda p: hob(p, folder),
        }
        if MINI.installed:
            long["mini-swe-agent"] = lambda p: mini(p, folder)
        window = WINDOW // 4 if options.quick else WINDOW
        for label, client in long.items():
            key = f"{steps} steps, window {window:,}: {label}"
            results[key], ends[key] = measure(steps, window, client, submits="mini" in label)
    show(results, ends)
    if options.json:
        document = {key: [asdict(row) for row in rows] for key, rows in results.items()}
        options.json.write_text(json.dumps(document), encoding="utf-8")
    own = [key for key in results if "hob run" in key]
    return 0 if all(not ends[key] for key in own) else 1


def measure(
    steps: int, window: int, client: Callable[[Proxy], None], *, submits: bool = False
) -> tuple[list[Row], str]:
    """Return one row a request, and in a few words why the client ended early, if it did."""
    with (
        engine(GOOD["chatml"], n_ctx=window, slots=1) as running,
        proxy(running, steps, submits) as between,
    ):
        problem = ""
        try:
            client(between)
        except (HTTPError, subprocess.CalledProcessError) as error:
            problem = type(error).__name__
        if between.overflow is not None:
            problem = f"ended after {between.answers} steps: the prompt did not fit the window"
        elif between.answers < steps:
            problem = f"ended after {between.answers} steps {problem}"
        return between.rows, problem


@contextmanager
def proxy(running: Engine, steps: int, submits: bool):
    """Yield a proxy whose script reads one part a step and then ends."""

    def script(answers: int) -> Turn:
        if answers < steps - 1:
            return command(f"cat part{answers}.txt", f"I read part {answers} of the text next.")
        if submits:
            return command("echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT", "All of it is read.")
        return Turn("All of it is read.")

    between = Proxy(running.root, script)
    thread = Thread(target=between.serve_forever, daemon=True)
    thread.start()
    try:
        yield between
    finally:
        between.shutdown()
        between.server_close()
        thread.join()


def hob(between: Proxy, folder: Path) -> None:
    """Run the real `hob run`."""
    state = folder / "hob-state"
    said = ("--base-url", between.base_url, "--model", "tiny", "--permission-mode", "full")
    limits = ("--max-steps", "1000", "--context-tokens", str(_window(between)))
    program = Path(sys.executable).parent / "hob"
    done = subprocess.run(
        [program, "run", *said, *limits, "--output-format", "json", "-C", str(folder), TASK],
        env=_environment(state) | {"HOB_CHECKPOINTS": "off"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    result = json.loads(done.stdout.splitlines()[-1])
    if result["outcome"] != "done":
        print(f"hob run: {result['reason']}", file=sys.stderr)


def mini(between: Proxy, folder: Path) -> None:
    """Run mini-swe-agent itself."""
    state = folder / "mini-state"
    argv = [str(a) for a in MINI.argv(between.base_url, folder, state)]
    argv[argv.index("-t") + 1] = TASK
    state.mkdir(exist_ok=True)
    subprocess.run(
        argv,
        env=_environment(state) | dict(MINI.environment(state)),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=900,
    )


def show(results: dict[str, list[Row]], ends: dict[str, str]) -> None:
    """Print one line a client."""
    print(f"{'':62} {'requests':>8} {'appended':>9} {'computed':>9} {'ratio':>6} {'rewrites':>8}")
    for key, rows in results.items():
        appended, computed = sum(r.appended for r in rows), sum(r.computed for r in rows)
        rewrites = sum(r.rewrote for r in rows)
        ratio = computed / appended if appended else 0.0
        print(
            f"{key:62} {len(rows):>8} {appended:>9,} {computed:>9,} {ratio:>6.2f} {rewrites:>8}"
            + (f"  {ends[key]}" if ends.get(key) else "")
        )


def make_parts(running: Engine, folder: Path, count: int) -> None:
    """Write one file a step, of about as many tokens as a result has; no two are alike."""
    for n in range(count):
        words = text_of(running, RESULT_TOKENS - FRAME_TOKENS, first=f"part {n} ")
        (folder / f"part{n}.txt").write_text(words, encoding="utf-8")


def text_of(running: Engine, size: int, first: str = "") -> str:
    """Return plain words of so many tokens."""
    step = tokens(running, " ".join(WORDS)) / len(WORDS)
    count = int((size - tokens(running, first)) / step)
    return first + " ".join(WORDS[n % len(WORDS)] for n in range(count))


def tokens(running: Engine, text: str) -> int:
    """Return the engine's own count."""
    return len(post(f"{running.root}/tokenize", {"content": text})["tokens"])


def _window(between: Proxy) -> int:
    with urlopen(f"{between.root}/props") as reply:
        return json.load(reply)["default_generation_settings"]["n_ctx"]


def _environment(state: Path) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": str(state),
        "HOB_DATA_DIR": str(state / "hob"),
    }


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=LONG)
    parser.add_argument("--quick", action="store_true", help="40 steps in an 8k window")
    parser.add_argument("--json", type=Path)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
