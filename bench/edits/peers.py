"""The engines that are compared: bytes, SEARCH and REPLACE in, bytes or a refusal (None) out.

Each is called as its own agent calls it. Of aider only the class `Coder` is stood in for, because its module
imports the whole agent; the functions that are measured are aider's own.
"""

import importlib
import sys
import types
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

Engine = Callable[[bytes, str, str], bytes | None]

_PEERS = Path(__file__).parents[2] / ".venv-bench" / "lib"


def engines() -> tuple[dict[str, Engine], list[str]]:
    """Return the engines by name, Hob's first, and a line for each that is not installed."""
    folder = _PEERS / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    if folder.is_dir() and str(folder) not in sys.path:
        sys.path.append(str(folder))
    found: dict[str, Engine] = {}
    missing: list[str] = []
    for load in (_hob, _exact, _dmp, _aider, _aider_udiff):
        try:
            name, engine = load()
        except ImportError as error:
            missing.append(
                f"{(load.__doc__ or '').split(':')[0]} is left out: {error}. See `make bench-edits`."
            )
        else:
            found[name] = engine
    return found, missing


def _hob() -> tuple[str, Engine]:
    """hob.editing: what `edit_file` uses."""
    editing = importlib.import_module("hob.editing")

    def run(before: bytes, search: str, replace: str) -> bytes | None:
        try:
            return editing.apply_bytes(before, search, replace)
        except editing.EditRefused:
            return None

    return "Hob", run


def _exact() -> tuple[str, Engine]:
    """Exact and unique: what the plain edit tools of many agents do."""

    def run(before: bytes, search: str, replace: str) -> bytes | None:
        text = before.decode("utf-8", "surrogateescape")
        if search.strip() and text.count(search) == 1:
            return text.replace(search, replace).encode("utf-8", "surrogateescape")
        return None

    return "exact, unique", run


def _dmp() -> tuple[str, Engine]:
    """diff-match-patch: a patch from SEARCH to REPLACE, moved to where SEARCH is found, and applied."""
    library = importlib.import_module("diff_match_patch").diff_match_patch

    def run(before: bytes, search: str, replace: str) -> bytes | None:
        tool = library()
        tool.Diff_Timeout = 5
        tool.Match_Distance = 1_000_000  # the model does not say where
        text = before.decode("utf-8", "surrogateescape")
        if not search:
            return None
        patches = tool.patch_make(search, replace)
        at = max(tool.match_main(text, search[:32], 0), 0)
        for patch in patches:
            patch.start1 += at
            patch.start2 += at
        result, done = tool.patch_apply(patches, text)
        return result.encode("utf-8", "surrogateescape") if done and all(done) else None

    return f"diff-match-patch {version('diff-match-patch')}", run


def _aider() -> tuple[str, Engine]:
    """aider, blocks: `do_replace` of its SEARCH/REPLACE format."""
    module = _aider_module("editblock_coder")

    def run(before: bytes, search: str, replace: str) -> bytes | None:
        # The file has to exist in aider's eyes, or an empty SEARCH would create it.
        name = __file__ if before else "/nonexistent/new"
        result = module.do_replace(name, _read(before), search, replace, ("```", "```"))
        return _written(result)

    return f"aider {version('aider-chat')}, blocks", run


def _aider_udiff() -> tuple[str, Engine]:
    """aider, udiff: `flexible_search_and_replace` as for its unified diffs, without the strategy that runs git."""
    module = _aider_module("search_replace")
    ways = [
        (way, before)
        for way, before in module.udiff_strategies
        if way is not module.git_cherry_pick_osr_onto_o
    ]

    def run(before: bytes, search: str, replace: str) -> bytes | None:
        if not search.strip():
            return _written(_read(before) + replace)
        texts = [search, replace, _read(before)]
        try:
            return _written(module.flexible_search_and_replace(texts, ways))
        except module.SearchTextNotUnique:
            return None

    return "aider, udiff", run


def _read(before: bytes) -> str:
    """Return the text as aider's `InputOutput.read_text` does: any ending becomes LF."""
    text = before.decode("utf-8", "surrogateescape")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _written(text: str | None) -> bytes | None:
    """Return what aider writes; it takes an empty result for a failure."""
    return text.encode("utf-8", "surrogateescape") if text else None


def _aider_module(name: str) -> types.ModuleType:
    package = importlib.import_module("aider")
    if "aider.coders" not in sys.modules:
        folder = types.ModuleType("aider.coders")
        folder.__path__ = [str(Path(package.__path__[0]) / "coders")]
        coder = types.ModuleType("aider.coders.base_coder")
        coder.Coder = object  # type: ignore[attr-defined]
        sys.modules |= {"aider.coders": folder, "aider.coders.base_coder": coder}
    return importlib.import_module(f"aider.coders.{name}")
