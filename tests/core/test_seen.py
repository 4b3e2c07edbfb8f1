"""What a session knows of files is folded from the results of its calls."""

import pytest

from hob.core import events as e
from hob.core.messages import Details, ToolResult
from hob.core.session import Session, fold


def finished(**metadata: object) -> e.ToolFinished:
    return e.ToolFinished("1.0", ToolResult("done", details=Details(metadata=metadata)))


@pytest.mark.parametrize(
    ("results", "seen"),
    [
        ([finished()], {}),
        ([finished(seen={"a": "1"})], {"a": "1"}),
        ([finished(seen={"a": "1"}), finished(seen={"b": "2"})], {"a": "1", "b": "2"}),
        ([finished(seen={"a": "1"}), finished(seen={"a": "2"})], {"a": "2"}),
        ([finished(seen={"a": "1"}), finished(seen={"a": ""})], {}),
        # A damaged log still folds.
        ([finished(seen="a"), finished(seen={"a": "1"})], {"a": "1"}),
    ],
)
def test_seen_files_are_folded(results: list[e.ToolFinished], seen: dict[str, str]):
    events = [e.Recorded(place, 0, event) for place, event in enumerate(results, 1)]
    assert fold(events) == Session(seq=len(events), seen=seen)
