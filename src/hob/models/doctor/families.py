"""Families of chat templates: how one is recognised, the mark that ends its messages, our own sound template."""

from pathlib import Path

from msgspec import Struct

_TEMPLATES = Path(__file__).with_name("templates")


class Family(Struct, frozen=True):
    """`marks` recognise the family in a template, `names` in a model's name; `mark` ends a message."""

    name: str
    mark: str
    marks: tuple[str, ...]
    names: tuple[str, ...]


FAMILIES = (
    Family("llama3", "<|eot_id|>", ("<|start_header_id|>", "<|eot_id|>"), ("llama-3", "llama3")),
    Family(
        "chatml", "<|im_end|>", ("<|im_start|>",), ("qwen", "hermes", "chatml", "smollm", "yi-")
    ),
    Family("gemma", "<end_of_turn>", ("<start_of_turn>",), ("gemma",)),
    Family("deepseek", "<｜end▁of▁sentence｜>", ("<｜Assistant｜>",), ("deepseek",)),  # noqa: RUF001
    Family("phi", "<|end|>", ("<|assistant|>",), ("phi-", "phi3", "phi4")),
    Family("mistral", "</s>", ("[INST]",), ("mistral", "mixtral", "devstral", "codestral")),
)
_USUAL = FAMILIES[1]


def family_of(template: str, model: str) -> Family:
    """Return the family of a template, else of a model's name, else ChatML, which is the most common."""
    for family in FAMILIES:
        if any(mark in template for mark in family.marks):
            return family
    low = model.lower()
    found = (family for family in FAMILIES if any(name in low for name in family.names))
    return next(found, _USUAL)


def sound_template(name: str) -> str:
    """Return our own chat template for the family of this name."""
    return (_TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8")
