"""Ignore files: the matcher agrees with git on patterns and on whole trees, and never takes long."""

import os
import random
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hob.tools.ignore import Rules, parse

GIT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
ATOMS = [
    "a", "b", "ab", "*", "**", "***", "?", "/", "/", "[ab]", "[!a]", "[a-c]", "[^b-]", "[]a]",
    "[[:alpha:]]", "[[:x:]]", "a", "[", "]", "\\", "\\a", "\\*", "\\/", "\\ ", " ", "!", "#", ".", "é",
    "-", "[\\]a]", "[a\\-z]", "[b-a]", "[[:a]", "[:a]", "{a,b}", "\t", "[/]", "[a/]", "**/", "/**",
    "[[]", "[!]", "[é]", "*.o",
]  # fmt: skip
NAMES = [
    "a", "b", "ab", "a.o", "c", "é", "a b", "[", "-", "#", "!", "a*", "b ", "]a", "ba", "\\", "ac",
]  # fmt: skip


def git(folder: Path, *arguments: str, data: bytes = b"") -> bytes:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        input=data,
        capture_output=True,
        check=False,
        env=GIT,
    )
    assert done.returncode in {0, 1}, done.stderr
    return done.stdout


def tree(root: Path, chance: random.Random) -> list[tuple[str, bool]]:
    """Make a tree of odd names and return its paths, and whether they are directories."""
    found: list[tuple[str, bool]] = []

    def fill(folder: str, depth: int) -> None:
        for name in chance.sample(NAMES, 6 if depth < 2 else 3):
            path = f"{folder}/{name}" if folder else name
            is_folder = depth < 3 and chance.random() < 0.5
            found.append((path, is_folder))
            if is_folder:
                (root / path).mkdir()
                fill(path, depth + 1)
            else:
                (root / path).touch()

    fill("", 0)
    return found


def lines(chance: random.Random) -> bytes:
    written: list[bytes] = [b"*"] if chance.random() < 0.2 else []
    for _ in range(chance.choice((1, 1, 1, 3, 6))):
        pattern = "".join(chance.choice(ATOMS) for _ in range(chance.randrange(1, 6)))
        pattern = "!" * (chance.random() < 0.2) + pattern + "/" * (chance.random() < 0.2)
        pattern += chance.choice(("", "", "", "", " ", "\r", "\\ "))
        written.append(pattern.encode())
    return b"\n".join(written)


def ignored(rules: Rules, path: bytes, is_folder: bool) -> bool:
    """Return what git says of a path: that of the first ignored folder above it, or its own."""
    names = path.split(b"/")
    above = (b"/".join(names[:depth]) for depth in range(1, len(names)))
    if any(rules.verdict(one, True) for one in above):
        return True
    return bool(rules.verdict(path, is_folder))


def disagreements(root: Path, seed: int, rounds: int) -> tuple[int, int]:
    """Compare with `git check-ignore`; return how many pairs there were, and how many ignored."""
    chance = random.Random(seed)
    git(root, "init", "-q")
    paths = tree(root, chance)
    asked = b"\0".join(path.encode() for path, _ in paths)
    pairs = hits = 0
    for _ in range(rounds):
        text = lines(chance)
        (root / ".gitignore").write_bytes(text)
        told = git(root, "check-ignore", "--no-index", "-z", "--stdin", "-v", "-n", data=asked)
        fields = told.split(b"\0")
        theirs = dict(zip(fields[3::4], fields[2::4], strict=False))
        rules = Rules(text)
        for path, is_folder in paths:
            rule = theirs[path.encode()]
            expected = bool(rule) and not rule.startswith(b"!")
            assert ignored(rules, path.encode(), is_folder) is expected, (text, path, rule)
            pairs += 1
            hits += expected
    return pairs, hits


def test_the_matcher_agrees_with_git(tmp_path: Path):
    pairs, hits = disagreements(tmp_path, 11, 150)
    assert pairs > 5000
    assert pairs / 10 < hits < pairs * 0.9


@pytest.mark.slow
def test_the_matcher_agrees_with_git_a_million_times(tmp_path: Path):
    pairs = 0
    for seed in range(100, 110):
        (tmp_path / f"{seed}").mkdir()
        pairs += disagreements(tmp_path / f"{seed}", seed, 1500)[0]
    assert pairs > 1_000_000


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*.o", ["a.o", "d/a.o", ".o"], ["a.oo"]),
        ("/a", ["a"], ["d/a"]),
        ("d/a", ["d/a"], ["x/d/a"]),
        ("**/a", ["a", "x/y/a"], ["xa"]),
        ("d/**", ["d/a", "d/e/f"], ["d"]),
        ("d/**/a", ["d/a", "d/x/y/a"], ["da"]),
        ("d**/a", ["da", "dx/a", "d/x/a"], ["d/b"]),  # so it is in git
        ("a*b?c", ["aXbYc", "abXc"], ["abc", "a/bc"]),
        ("\\!a", ["!a"], ["a"]),
        ("\\#a", ["#a"], ["a"]),
        ("[a-c]x", ["ax", "cx"], ["dx"]),
        ("a\\ ", ["a "], ["a"]),
        ("a ", ["a"], ["a "]),
        ("a\t", ["a\t"], ["a"]),
        ("\ufeffa", ["a"], []),
        ("a\0b", ["a"], ["ab"]),
        ("?", ["x"], ["é"]),
    ],
)
def test_patterns(pattern: str, yes: list[str], no: list[str]):
    rules = Rules(pattern.encode())
    assert [rules.verdict(path.encode(), False) for path in yes] == [True] * len(yes)
    assert [rules.verdict(path.encode(), False) for path in no] == [None] * len(no)


def test_order_negation_and_directories():
    rules = Rules(b"*.log\n!keep.log\nkeep.log/\n\n# comment\nbuild/\r\n")
    assert rules.verdict(b"a.log", False) is True
    assert rules.verdict(b"x/keep.log", False) is False
    assert rules.verdict(b"x/keep.log", True) is True
    assert rules.verdict(b"build", True) is True
    assert rules.verdict(b"build", False) is None
    assert not Rules(b"\n# nothing\n\\\n[a\n/\n!\n")


def test_no_pattern_takes_long():
    name = b"a" * 250
    deep = b"/".join([b"a"] * 1000)
    patterns = [
        b"*a" * 100 + b"b",
        b"**/a/" * 100 + b"b",
        b"a/" + b"**/" * 200 + b"b",
        b"?*" * 100 + b"b",
    ]
    rules = Rules(b"\n".join(patterns))
    start = time.process_time()
    assert rules.verdict(name, False) is None
    assert rules.verdict(deep, False) is None
    many = Rules(b"\n".join(b"file%d*" % n for n in range(4999)))
    assert many.verdict(b"file4998x", False) is True
    assert time.process_time() - start < 3


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=40), st.binary(min_size=1, max_size=30))
def test_any_bytes_are_rules(text: bytes, path: bytes):
    Rules(text).verdict(path, True)
    parse(text.partition(b"\n")[0])
