"""Text that looks like a chat template's control token, made harmless before it reaches a tokenizer.

A server that tokenizes such text as the token itself ends the turn in the middle of a file that holds it.
"""

import re

WORD_JOINER = "\u2060"  # without width, and no white space
_TOKENS = re.compile(
    r"(?P<head><)(?=\|[a-zA-Z0-9_./ -]{1,40}\|?>)"  # ChatML, Llama 3, harmony, Command R, GLM
    r"|(?P<wide><)(?=\uff5c[^\uff5c<>\n]{1,60}\uff5c>)"  # DeepSeek
    r"|(?P<tag><)(?=/?(?:start_of_turn|end_of_turn|bos|eos|pad|unk|s|turn\||tool_call\||channel\|)>)"
    r"|(?P<square>\[)(?=/?(?:INST|TOOL_CALLS|TOOL_RESULTS|AVAILABLE_TOOLS|SYSTEM_PROMPT|ARGS|THINK)\])"
)


def broken(text: str) -> str:
    """Return the text with a word joiner inside each control token; the same for the same text."""
    if "<" not in text and "[" not in text:
        return text
    return _TOKENS.sub(lambda found: found[0] + WORD_JOINER, text)
