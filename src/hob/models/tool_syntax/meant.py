"""Meant or only quoted: what the words around a call say of it."""

import re
from bisect import bisect_right

_LOOK_BACK = 240  # characters before a call that are read
_SHOWN = re.compile(
    r"\b(?:for (?:example|instance)|e\.g|i\.e|such as|looks? like|like (?:this|so|these)|in the form|as follows"
    r"|similar to|equivalent to|(?:would|could|might) (?:be|look|send|write|emit|call|use|answer|say|read|produce)"
    r"|(?:is|are|be|was|were|gets?|been) (?:\w+ly )?(?:written|emitted|sent|rendered|parsed|generated|returned|produced"
    r"|encoded|stored|left|shown|printed|expected|formatted)"
    r"|(?:models?|servers?|clients?|users?|llms?|assistants?|agents?|templates?|qwen\S*|mistral|llama|hermes|deepseek|glm"
    r"|gemma) (?:\w+ )?(?:emits?|writes?|sends?|returns?|produces?|generates?|outputs?|answers?|uses?|expects?|prints?"
    r"|emitted|wrote|sent|returned|produced|generated|answered|used|printed|says?|said|replied|replies|leaves|left)"
    r"|you (?:\w+ )?(?:can|could|would|might|should|may|must|need|have to|send|write|use|get|see|call)"
    r"|(?:do not|don['\u2019]t|never|not|avoid|instead of) (?:call|run|send|use|writ|emit)\w*"
    r"|(?:show|explain|illustrat|describ|demonstrat|document)(?:s|e|es|ed|ing)?(?: (?:you|how|what|this|the format))"
    r"|must (?:look|have|contain)|should (?:have|contain|produce|return)|quot(?:e|es|ed|ing))\b",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"\b(?:examples?|samples?|formats?|syntax|dialects?|templates?|grammar|documentation|readme|convention|spec"
    r"|writes|emits|sends|puts|marks|between|request|response|output|log|config\w*|contains?|returned|received|got|sent|called|ran|tried)\b",
    re.IGNORECASE,
)
_FIRST_PERSON = re.compile(
    r"\b(?:i['\u2019]?ll|i will|i am going to|i['\u2019]m going to|i need to|i want to|i have to|i must|i should"
    r"|let me|let us|let['\u2019]s|we need to|we should)\b",
    re.IGNORECASE,
)
_INTENT = re.compile(
    r"\b(?:i can|going to|calling|running|reading|checking|using|looking|listing|searching|opening|creating"
    r"|writing|executing|invoking|fetching|getting|editing|now|next|first|then|finally"
    r"|here is the (?:tool |function )?call|here['\u2019]s the (?:tool |function )?call|action)\b",
    re.IGNORECASE,
)
_BEFORE = re.compile(r"[.:!?…)>。\uff1a\uff01\uff1f\]]|[^\x00-\u2010\u2018-\u201f]")
_OPEN_TAG = re.compile(r"(?:<!--[^>]*|<[a-zA-Z][\w-]*(?: [^<>]*)?>)$")
_LIST_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,3}[.)]|#{1,6}|\||//|;|--)[ \t]?")


def words_before(text: str, at: int, floor: int = 0) -> str:
    """Return the last paragraph before a place, at most some sentences of it, and none before `floor`."""
    before = text[max(floor, at - _LOOK_BACK) : at].rstrip()
    return before.rsplit("\n\n", 1)[-1]


def is_talk(words: str) -> bool:
    """Tell whether words announce something to be looked at, not done."""
    if _SHOWN.search(words):
        return True
    line = words.rsplit("\n", 1)[-1].strip()
    if _OPEN_TAG.search(line):
        return True
    announces = not line.endswith((".", "!", "?", "。", "\uff01", "\uff1f"))
    return announces and _NAMED.search(line) is not None and not _FIRST_PERSON.search(line)


def is_intent(words: str) -> bool:
    """Tell whether words announce that something is done now."""
    return (_FIRST_PERSON.search(words) or _INTENT.search(words)) is not None


def begins_well(line: str) -> bool:
    """Tell whether a call may begin behind this beginning of its line: nothing, or a finished sentence."""
    if not line.strip():
        return _width(line) < 4
    if _LIST_ITEM.match(line) or line.lstrip().startswith(">"):
        return False
    return _BEFORE.match(line.rstrip()[-1]) is not None


def is_code(line: str) -> bool:
    """Tell whether a line is indented like code or quoted like mail."""
    return _width(line) >= 4 or (line.lstrip(" ").startswith(">") and not line.startswith(">>>"))


def _width(line: str) -> int:
    width = 0
    for sign in line:
        if sign == "\t":
            return 4
        if sign != " " or width >= 4:
            break
        width += 1
    return width


def code_spans(line: str) -> list[tuple[int, int]]:
    """Return the places of a line that stand between two equal runs of backticks (CommonMark 0.31, 6.1)."""
    runs = [(found.start(), found.end()) for found in re.finditer(r"`+", line)]
    places: dict[int, list[int]] = {}
    for start, end in runs:
        places.setdefault(end - start, []).append(start)
    spans: list[tuple[int, int]] = []
    behind = 0
    for start, end in runs:
        if start < behind:
            continue
        equal = places[end - start]
        closing = bisect_right(equal, start)
        if closing < len(equal):
            behind = equal[closing] + end - start
            spans.append((end, equal[closing]))
    return spans


def in_span(spans: list[tuple[int, int]], column: int) -> bool:
    """Tell whether a place stands in one of the code spans of its line."""
    at = bisect_right(spans, (column, column))
    return at > 0 and column < spans[at - 1][1]
