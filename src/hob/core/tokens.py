"""How many tokens a text will be, before any server has counted it. Cheap enough to ask of every message.

A tokenizer cannot be asked for (each model has its own, and a server may not offer it), so this counts
what tokenizers cut at: word starts, long words, digits, punctuation, scripts. Each of these has a
weight in hundredths of a token, fitted to the geometric mean of the vocabularies of Llama 3, GPT-4o
and Qwen 2.5 on 295 texts. As the estimate is a sum of counts, it is linear in time and nearly additive.
"""

from collections.abc import Sequence
from typing import Self

from msgspec import Struct

from hob.core.agent import ToolSpec
from hob.core.messages import AssistantMessage, Message, ToolMessage, UserMessage

# What chat templates put around things: role and delimiters of a message, and the wrapping of a call,
# of a tool, and of the list of tools with its words on how to call them.
MESSAGE_TOKENS = 5
_CALL_TOKENS = 12
_TOOL_TOKENS = 14
_TOOLS_TOKENS = 60

_LOWEST, _HIGHEST = 0.5, 2.0
# A ratio trusts itself as if it had seen this many tokens, at first and at most.
_DOUBT_TOKENS = 2_000
_MEMORY_TOKENS = 60_000


def _map(**classes: str) -> bytes:
    """Return a table for `bytes.translate`: each character of a class becomes the class's sign."""
    signs = {"lower": "a", "upper": "A", "digit": "0", "space": " ", "line": "\n", "mark": "."}
    table = bytearray(b" " * 128 + classes.get("high", " ").encode() * 128)
    for name, characters in classes.items():
        if name != "high":
            for character in characters:
                table[ord(character)] = ord(signs[name])
    return bytes(table)


_LOWER = "abcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"
_PLAIN = _LOWER + _LOWER.upper() + _DIGITS + " \t\n\r"
_MARKS = "".join(chr(code) for code in range(128) if chr(code) not in _PLAIN)

# Patterns and their weights, each counted on a rewritten text: its shape, or one class alone.
_SHAPES = (
    (
        _map(
            lower=_LOWER,
            upper=_LOWER.upper(),
            digit=_DIGITS,
            line="\t\n\r",
            mark=_MARKS,
            high="~",
        ),
        (
            # Long words are cut, and so are capitals, camel case and digits inside words.
            (b"aaaa", 70),
            (b"aaaaaa", 63),
            (b"aaaaaaaa", 62),
            (b"aA", 100),
            (b"AA", 46),
            (b"Aa", -9),
            (b"A0", 120),
            # A mark often joins the word, the line end or the mark beside it.
            (b".A", -60),
            (b"a.", 40),
            (b"a.a", -77),
            (b".\n", -80),
            (b". ", -30),
            (b" .", 30),
            # A single space belongs to the word after it; numbers and indentation have their own.
            (b" 0", 83),
            (b"\n ", 67),
            (b" \n", -50),
            (b"a  ", 100),
            (b" ~", 30),
            (b"a~", -30),
            (b"~ ", 35),
        ),
    ),
    (_map(lower=_LOWER + _LOWER.upper()), ((b" a", 40),)),
    (_map(digit=_DIGITS), ((b" 0", 150), (b"00", 40), (b"000", 42))),
    (_map(mark=_MARKS), ((b" .", 72), (b"..", 21))),
)
# Letters that tell a language whose words are cut more often than English ones, or less.
_LETTERS = (
    (b"\n", 61),
    (b"\t", 52),
    (b"\n\n", -100),
    (b"ion", -100),
    (b"th", -50),
    (b"n ", -10),
    (b"a ", 40),
    (b"aa", 60),
    (b"en", 30),
    (b"ij", 80),
    (b"kk", 60),
    (b"sz", 60),
    (b"j", 60),
    (b"k", 30),
    (b"z", 50),
)
# Ukrainian i, Serbian j, Hungarian double acute o, in UTF-8.
_FOREIGN_LETTERS = ((b"\xd1\x96", 60), (b"\xd1\x98", 90), (b"\xc5\x91", 100))
# Weight of each character by the first byte of its UTF-8 form, which tells the script.
_SCRIPTS = (
    (range(0xC2, 0xC3), 130),  # signs of Latin 1
    (range(0xC3, 0xCC), 99),  # Latin with accents
    (range(0xCC, 0xD0), 48),  # Greek
    (range(0xD0, 0xD4), 27),  # Cyrillic
    (range(0xD4, 0xD8), 55),  # Hebrew, Armenian
    (range(0xD8, 0xE0), 28),  # Arabic
    (range(0xE0, 0xE1), 49),  # Devanagari to Thai
    (range(0xE1, 0xE2), 40),  # Georgian, Khmer, Vietnamese
    (range(0xE2, 0xE3), 180),  # arrows, boxes, typography
    (range(0xE3, 0xE4), 61),  # kana
    (range(0xE4, 0xEA), 72),  # Han
    (range(0xEA, 0xEE), 53),  # Hangul
    (range(0xEE, 0xF0), 30),  # full-width forms
    (range(0xF0, 0xF8), 145),  # emoji
)
_SCRIPT_OF = bytes(
    next((n for n, (firsts, _) in enumerate(_SCRIPTS) if byte in firsts), 255)
    for byte in range(256)
)
_NO_FIRST_BYTES = bytes(n for n, script in enumerate(_SCRIPT_OF) if script == 255)


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text is: within 20 % of a 100k to 200k vocabulary, 0 if empty.

    Vocabularies of 32k need 1.1 to 1.5 times as many, and twice for CJK: see `Ratio`.
    """
    if not text:
        return 0
    data = text.encode("utf-8", "surrogatepass")
    weight = _weight(data, _LETTERS)
    for table, patterns in _SHAPES:
        # The line end in front makes the first character a start like any other.
        weight += _weight((b"\n" + data).translate(table), patterns)
    if len(data) != len(text):
        weight += _weight(data, _FOREIGN_LETTERS)
        firsts = data.translate(_SCRIPT_OF, _NO_FIRST_BYTES)
        weight += sum(firsts.count(n) * part for n, (_, part) in enumerate(_SCRIPTS))
    # Long runs of one sign are few tokens, but not none.
    return max(weight // 100, len(data) // 64 + 1)


def estimate_message(message: Message) -> int:
    """Return about how many tokens a message adds to a prompt, with what the template puts around it.

    Reasoning does not count: adapters drop it unless told otherwise.
    """
    match message:
        case UserMessage():
            return MESSAGE_TOKENS + estimate_tokens(message.text)
        case ToolMessage():
            return MESSAGE_TOKENS + estimate_tokens(message.content)
        case AssistantMessage():
            calls = sum(
                _CALL_TOKENS + estimate_tokens(call.name) + estimate_tokens(call.arguments)
                for call in message.calls
            )
            return MESSAGE_TOKENS + estimate_tokens(message.text) + calls


def estimate_head(instructions: str, tools: Sequence[ToolSpec]) -> int:
    """Return about how many tokens come before the first message: system message and tools."""
    tokens = MESSAGE_TOKENS + estimate_tokens(instructions) if instructions else 0
    for tool in tools:
        parts = (tool.name, tool.description, tool.parameters)
        tokens += _TOOL_TOKENS + sum(map(estimate_tokens, parts))
    return tokens + _TOOLS_TOKENS if tools else tokens


class Ratio(Struct, frozen=True):
    """How many tokens the server counts for each one estimated, learned as a session goes on.

    Each pair weighs by its tokens. What is remembered is bounded, so a changed model is learned anew,
    and a single pair can only pull within the bounds (0.5 to 2).
    """

    estimated: float = _DOUBT_TOKENS
    counted: float = _DOUBT_TOKENS

    @property
    def value(self) -> float:
        """Return the factor from estimated to counted tokens, 0.5 to 2."""
        return min(max(self.counted / self.estimated, _LOWEST), _HIGHEST)

    def after(self, estimated: int, counted: int) -> Self:
        """Return the ratio that has also seen a prompt of so many estimated and counted tokens.

        A pair without tokens on either side teaches nothing (a server that does not count says 0).
        """
        if estimated <= 0 or counted <= 0:
            return self
        seen = min(estimated, _MEMORY_TOKENS)
        factor = min(max(counted / estimated, _LOWEST), _HIGHEST)
        # Half of the memory at most is new, so that one odd step cannot take over.
        seen = min(float(seen), self.estimated)
        kept = min(1.0, _MEMORY_TOKENS / (self.estimated + seen))
        return type(self)((self.estimated + seen) * kept, (self.counted + seen * factor) * kept)

    def of(self, estimated: int) -> int:
        """Return how many tokens the server will probably count, rounded."""
        return round(estimated * self.value)


def _weight(data: bytes, patterns: Sequence[tuple[bytes, int]]) -> int:
    return sum(data.count(pattern) * part for pattern, part in patterns)
