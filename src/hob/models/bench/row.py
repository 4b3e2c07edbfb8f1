"""One row of the table: what the outcomes of all tasks say about a model."""

from collections import Counter
from typing import Literal

from msgspec import Struct

from hob.models.facts import ServerKind

Works = Literal[
    "yes",  # at least half of the tasks with calls are right
    "partly",  # some are
    "by text",  # only with Hob's text protocol
    "no",
]
NATIVE, REPAIRED, TEXT = "native", "repaired", "text protocol"


class Outcome(Struct, frozen=True):
    """How one task went.

    `by_schema`: every call that was wanted came and fits its tool. `by_value`: and all values are right. `why`
    says in words what was wrong. `forms` tells for each answer with calls how they came: native, repaired, or
    the dialect in which the server left them in the text. `together` is empty unless the task wants several
    calls: yes, one at a time, no, or refused with the server's status.
    """

    task: str
    wants_calls: bool = True
    by_schema: bool = False
    by_value: bool = False
    why: str = ""
    forms: tuple[str, ...] = ()
    together: str = ""


class Row(Struct, frozen=True):
    """What was measured of one model. Empty and None: not known. With `error` nothing else counts.

    `outcomes` are those of function calling, `text_outcomes` those of the text protocol, which is tried only
    where no call came natively. `first_token_s` is the median of all answers.
    """

    model: str
    base_url: str = ""
    kind: ServerKind = "openai"
    version: str = ""
    window_tokens: int | None = None
    first_token_s: float | None = None
    tokens_per_s: float | None = None
    outcomes: tuple[Outcome, ...] = ()
    text_outcomes: tuple[Outcome, ...] = ()
    requests: int = 0
    seconds: float = 0.0
    error: str = ""
    error_kind: str = ""

    @property
    def works(self) -> Works:
        """Say whether the model calls tools."""
        wanting = [one for one in self.outcomes if one.wants_calls]
        right = sum(one.by_value for one in wanting)
        if right:
            return "yes" if 2 * right >= len(wanting) else "partly"
        return "by text" if any(one.by_value for one in self.text_outcomes) else "no"

    @property
    def parallel(self) -> str:
        """Say whether several calls come in one answer: the best that was seen, `?` if it was not tried."""
        seen = {one.together for one in self.outcomes if one.together}
        order = ("yes", "one at a time", *sorted(seen - {"yes", "one at a time", "no"}), "no")
        return next((one for one in order if one in seen), "?")

    @property
    def form(self) -> str:
        """Say in which form calls come."""
        forms = Counter(form for one in self.outcomes for form in one.forms)
        dialects = sorted(set(forms) - {NATIVE, REPAIRED})
        left = f"in the text ({', '.join(dialects)})" if dialects else ""
        if forms[NATIVE] or forms[REPAIRED]:
            some = [f"some {left}"] if left else []
            some += ["some repaired"] if forms[REPAIRED] else []
            return ", ".join([NATIVE, *some])
        if left:
            return left
        return TEXT if self.works == "by text" else "none"

    @property
    def by_schema(self) -> int:
        """Count the tasks whose calls fit the schemas."""
        return sum(one.by_schema for one in self.outcomes)

    @property
    def by_value(self) -> int:
        """Count the tasks that are wholly right."""
        return sum(one.by_value for one in self.outcomes)
