"""Hob, a local-first autonomous coding agent. Importing this module costs nothing."""

__version__ = "0.1.0"
