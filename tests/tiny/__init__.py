"""Small models with random weights for the real llama.cpp server: real templates, grammar, slots; no sense.

`from tiny.engine import engine`, `from tiny.templates import GOOD, BROKEN`. Nothing is downloaded.
(The folder cannot be called `gguf`: it would hide the library of that name.)
"""
