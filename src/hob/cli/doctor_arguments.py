"""What `hob doctor` may be told; apart from the command, so that `hob --help` loads none of it."""

import argparse

from hob.cli.numbers import positive


def add_doctor(parser: argparse.ArgumentParser) -> None:
    """Add what only the doctor is told."""
    parser.add_argument("--json", action="store_true", help="the whole examination as JSON")
    parser.add_argument(
        "--write-template", metavar="FILE", help="write a sound chat template of the model's family"
    )
    parser.add_argument("--no-save", action="store_true", help="do not keep the profile")
    parser.add_argument(
        "--timeout",
        type=positive(float),
        default=300.0,
        metavar="SECONDS",
        help="for each request (300)",
    )
