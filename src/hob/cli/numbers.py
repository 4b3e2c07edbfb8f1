"""Numbers on the command line."""

import argparse


class positive:
    """A number above zero, for argparse."""

    def __init__(self, kind: "type[int] | type[float]") -> None:
        self._kind = kind

    def __call__(self, text: str) -> int | float:
        """Return the number. Raises `argparse.ArgumentTypeError`."""
        try:
            number = self._kind(text)
        except ValueError:
            number = 0
        if not 0 < number < float("inf"):
            raise argparse.ArgumentTypeError(f"{text!r} is not a number above zero")
        return number
