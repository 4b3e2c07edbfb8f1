"""Events to bytes and back. Unknown fields are ignored, missing ones get their default: old logs load for ever."""

from typing import Any

import msgspec

from hob.core.errors import HobError
from hob.core.events import Event, Recorded
from hob.core.ports import Entry

_encoder = msgspec.json.Encoder()
_event_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_line_decoder: msgspec.json.Decoder[Recorded] = msgspec.json.Decoder(Recorded)


def seal(event: Event) -> tuple[Event, bytes]:
    """Return the event and its JSON bytes; lone surrogates become U+FFFD in both, so that live and loaded agree."""
    try:
        return event, _encoder.encode(event)
    except UnicodeEncodeError:
        clean = msgspec.convert(_without_surrogates(msgspec.to_builtins(event)), type(event))
        return clean, _encoder.encode(clean)


def open_entry(entry: Entry) -> Recorded:
    """Return the event in a stored entry. Raises `HobError` for bytes that are no event."""
    try:
        return Recorded(entry.seq, entry.at, _event_decoder.decode(entry.body))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HobError(
            f"Event {entry.seq} of the log cannot be read ({error}): fork the session before it,"
            f" with --at {entry.seq - 1}."
        ) from error


def to_line(entry: Entry) -> bytes:
    """Return one line of a JSONL export: `{"seq":…,"at":…,"event":{…}}`, without the newline."""
    return b'{"seq":%d,"at":%d,"event":%s}' % (entry.seq, entry.at, entry.body)


def from_line(line: bytes) -> Entry:
    """Return the entry in one exported line. Raises `msgspec.DecodeError`."""
    recorded = _line_decoder.decode(line)
    return Entry(recorded.seq, recorded.at, _encoder.encode(recorded.event))


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if isinstance(value, dict):
        return {
            _without_surrogates(k): _without_surrogates(v)
            for k, v in value.items()  # pyright: ignore[reportUnknownVariableType]
        }
    if isinstance(value, list | tuple):
        return [_without_surrogates(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value
