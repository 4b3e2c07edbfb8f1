"""The real llama.cpp server in a child process, on a free port of loopback, with a tiny random model."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tiny.templates import GOOD
from tiny.weights import tiny_gguf

_CHILD = Path(__file__).with_name("child.py")


class EngineFailed(RuntimeError):
    """The engine did not start; the text is what it said."""


class Engine:
    """A running engine. `base_url` ends in `/v1`; `root` does not; `pid` is its process."""

    def __init__(self, process: subprocess.Popen[str], root: str, model: str) -> None:
        self._process = process
        self.root = root
        self.base_url = f"{root}/v1"
        self.model = model
        self.pid = process.pid

    def kill(self) -> None:
        """End the engine at once, as a crash would."""
        self._process.kill()
        self._process.wait()


@contextmanager
def engine(
    template: str = GOOD["chatml"],
    *,
    n_ctx: int = 8192,
    slots: int = 1,
    model: str = "tiny",
    eos: str = "<|im_end|>",
    verbosity: int = 0,
    **settings: Any,
) -> Iterator[Engine]:
    """Run the engine while the block lasts.

    `template` is the text of the chat template inside the GGUF. `n_ctx` tokens are one pool for all
    `slots`. `model` is the alias under which it is served. `settings` are further attributes of
    `xllamacpp.CommonParams` (chat_template, cache_ram_mib, slot_save_path, n_batch, …).
    The weights are random: use `max_tokens`, and a grammar or `logit_bias` where the text matters.
    """
    settings = {"model_alias": {model}, **settings}
    asked = {
        "model": str(tiny_gguf(template, eos)),
        "n_ctx": n_ctx,
        "slots": slots,
        "verbosity": verbosity,
        "settings": {k: sorted(v) if isinstance(v, set) else v for k, v in settings.items()},
    }
    with tempfile.TemporaryFile("w+", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [sys.executable, str(_CHILD), json.dumps(asked)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors if verbosity == 0 else None,
            text=True,
        )
        try:
            yield Engine(process, _address(process, errors), model)
        finally:
            process.kill()
            process.communicate()


def _address(process: subprocess.Popen[str], errors: IO[str]) -> str:
    """Return where the child listens; other lines of its output are the engine's own words."""
    assert process.stdout is not None
    said: list[str] = []
    for line in process.stdout:
        if line.startswith('{"address"'):
            return str(json.loads(line)["address"]).rstrip("/")
        said.append(line)
    errors.seek(0)
    raise EngineFailed(f"The engine did not start: {''.join(said)}{errors.read()}"[-4000:])
