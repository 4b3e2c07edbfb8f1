"""Meant or only quoted: what the words around a call say of it."""

import re
from bisect import bisect_right

_LOOK_BACK = 240  # characters before a call that are read
_SHOWN = re.compile(
    r"\b(?:for (?:example|instance)|e\.g|i\.e|such as|looks? like|like (?:this|so|these)|in the form|as follows"
    r"|similar to|equivalent to|(?:below|above|this) (?:is|are) (?:the|a|an|what) (?:text|answer|output)"
    r"|(?:would|could|might|(?:i|he|she|you|we|they)['\u2019]d)"
    r" (?:be|look|send|write|emit|call|use|answer|say|read|produce|do)"
    r"|(?:is|are|be|was|were|gets?|been) (?:\w+ly )?(?:written|emitted|sent|rendered|parsed|generated|returned|produced"
    r"|encoded|stored|left|shown|printed|expected|formatted|called)"
    r"|(?:models?|servers?|clients?|users?|llms?|assistants?|agents?|templates?|qwen\S*|mistral|llama|hermes|deepseek|glm"
    r"|gemma|kimi|granite|it|one) (?:\w+ )?(?:emits?|writes?|sends?|returns?|produces?|generates?|outputs?|answers?"
    r"|uses?|expects?|prints?|emitted|wrote|sent|returned|produced|generated|answered|used|printed|says?|said|replied"
    r"|replies|leaves|left)"
    r"|you (?:\w+ )?(?:can|could|would|might|should|may|must|need|have to|send|write|use|get|see|call)"
    r"|(?:do not|don['\u2019]t|never|not|avoid|instead of) (?:call|run|send|use|writ|emit)\w*"
    r"|must (?:look|have|contain)|should (?:have|contain|produce|return)|quot(?:e|es|ed|ing))\b",
    re.IGNORECASE,
)
_TOLD = re.compile(  # what only tells something although I am the one who does it
    r"\b(?:show(?:ing)? (?:you|how|what)|explain|illustrat|demonstrat|describ|quot(?:e|ing)|imagin|pretend"
    r"|giv(?:e|ing) (?:\w+ ){0,2}examples?|an? example|example call|looks? like|would (?:look|be|send|write|call))",
    re.IGNORECASE,
)
_FIRST_PERSON = re.compile(
    r"\b(?:i['\u2019]?ll|i will|i am (?:now |going )?\w+ing|i['\u2019]m (?:now )?\w+ing|i need to|i want to|i have to"
    r"|i must|i should|we have to|let me|let us|let['\u2019]s|we need to|we should|we['\u2019]ll"
    r"|time to|ich|je vais|voy a"
    r"|i (?:now )?(?:look|check|run|read|open|search|list|call|use|fix|write|start|begin))\b"
    r"|\u8ba9\u6211|\u6211\u6765|\u6211\u5c06|\u6211\u5148",
    re.IGNORECASE,
)
_BEGINS = re.compile(
    r"^\W*(?:now|next|finally|my next step|step \d|first,|then,|okay|(?:(?:tool|function) call|action)\W*$"
    r"|here(?: is|['\u2019]s) the (?:tool |function )?call\W*$)",
    re.IGNORECASE,
)
_DOING = re.compile(
    r"^\W*(?!(?:No|Every|Some|Any)thing|During|Follow|Accord|String|Warning|Missing|Mean|Includ|Regard|Assum|Us)"
    r"[A-Z][a-z]+ing\b"
)
_MARK_ENDS = re.compile(r"(?:<\|[^<>|]{1,30}\|>|</[\w:]{1,30}>|\[/?[A-Z_]{1,30}\])$")
_FULL_STOP = (".", "!", "?", "\u3002", "\uff01", "\uff1f")
_LETTER = re.compile(r"[^\W\d_]")
_HAN = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")
_SENTENCE_ENDS = re.compile(r"(?<=[.!?\u3002\uff01\uff1f])\s+|\n|(?<=[\u3002\uff01\uff1f])")
_BEFORE = re.compile(r"[.:!?…)>。\uff1a\uff01\uff1f\]]|[^\x00-\u2010\u2018-\u201f]")
_OPEN_TAG = re.compile(r"(?:<!--[^>]*|<[a-zA-Z][\w-]*(?: [^<>]*)?>)$")
_LIST_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,3}[.)]|#{1,6}|\||//|;|--)[ \t]?")


def words_before(text: str, at: int, floor: int = 0) -> str:
    """Return the last paragraph before a place, at most some sentences of it, and none before `floor`."""
    before = text[max(floor, at - _LOOK_BACK) : at].rstrip()
    return before.rsplit("\n\n", 1)[-1]


def is_talk(words: str) -> bool:
    """Tell whether words announce something to be looked at, not done.

    The last sentence decides if I say in it that I do something; else the whole paragraph is read. What ends
    with a colon announces, and a call is announced by saying that something is done.
    """
    sentence = _last_sentence(words)
    if _OPEN_TAG.search(words.rstrip()):
        return True
    if _MARK_ENDS.search(sentence) or not sentence:
        return False
    if _FIRST_PERSON.search(sentence):
        return _TOLD.search(sentence) is not None
    if _SHOWN.search(words):
        return True
    finished = sentence.endswith(_FULL_STOP) or _HAN.search(sentence)
    return not finished and not is_intent(words)


def is_intent(words: str) -> bool:
    """Tell whether words say that something is done now."""
    sentence = _last_sentence(words)
    return any(one.search(sentence) for one in (_FIRST_PERSON, _DOING, _BEGINS))


def _last_sentence(words: str) -> str:
    parts = reversed(_SENTENCE_ENDS.split(words.strip()))
    return next((one for one in parts if _LETTER.search(one)), "")


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
