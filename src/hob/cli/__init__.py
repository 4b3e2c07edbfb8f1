"""The command line: commands in, events out as text or JSON."""
