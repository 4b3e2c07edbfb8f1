"""What `hob models bench` may be told; apart from the command, so that `hob --help` loads none of it."""

import argparse
from typing import TypeAlias

from hob.cli.numbers import positive

# argparse has no public name for what `add_subparsers` returns.
Actions: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # pyright: ignore[reportPrivateUsage]


def add_bench(actions: "Actions") -> None:
    """Add the action that measures models."""
    bench = actions.add_parser(
        "bench",
        help="measure how well models call tools",
        description="Give models small tasks with tools and show in a table how well they call them.",
    )
    bench.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help="a name on the server, or NAME@URL for another server, as qwen3@http://127.0.0.1:8080/v1",
    )
    # What was given before `bench` must not be undone by a default of its own.
    bench.add_argument("--base-url", default=argparse.SUPPRESS, metavar="URL")
    bench.add_argument(
        "--json",
        action="store_true",
        default=argparse.SUPPRESS,
        help="all that was measured, task by task",
    )
    bench.add_argument(
        "--tasks", type=positive(int), metavar="N", help="only the first N tasks (all)"
    )
    bench.add_argument(
        "--repeat", type=positive(int), default=1, metavar="N", help="every task N times (1)"
    )
    bench.add_argument(
        "--timeout",
        type=positive(float),
        default=300.0,
        metavar="SECONDS",
        help="for each answer (300)",
    )
