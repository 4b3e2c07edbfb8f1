"""`hob models`: what model servers there are."""

import sys
from argparse import Namespace

from hob.models.discovery import Wishes


async def models_command(options: Namespace, wishes: Wishes) -> int:
    """Say what there is to ask for, and return the exit code."""
    print("hob: say which models to measure: hob models bench MODEL…", file=sys.stderr)
    return 2
