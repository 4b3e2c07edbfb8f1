"""Ids that sort by time. The clock and the dice stand behind ports; this only writes them down."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, lower case


def compose(prefix: str, at_ms: int, random_bits: int) -> str:
    """Return `prefix-` plus 9 digits of time (ms since the epoch) and 7 random digits (35 bits)."""
    digits: list[str] = []
    number = (at_ms << 35) | (random_bits & ((1 << 35) - 1))
    for _ in range(16):
        number, rest = divmod(number, 32)
        digits.append(_ALPHABET[rest])
    return f"{prefix}-{''.join(reversed(digits))}"
