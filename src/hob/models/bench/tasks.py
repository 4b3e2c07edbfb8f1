"""What a model is asked to do with tools: small tasks in plain words, each with one right answer."""

from typing import Any

import msgspec
from msgspec import Struct

from hob.core.agent import ToolSpec

Json = dict[str, Any]

INSTRUCTIONS = (
    "You are an assistant with tools. If a tool does what is asked, call it, with exactly the values that are "
    "given. If no tool is needed, answer in words."
)


class Wanted(Struct, frozen=True):
    """A call that is right, and what the tool then returns."""

    name: str
    arguments: Json
    result: str = "done"


class Step(Struct, frozen=True):
    """What has to come next: these calls, or no call and an answer that holds one of these words."""

    calls: tuple[Wanted, ...] = ()
    words: tuple[str, ...] = ()


class Task(Struct, frozen=True):
    """One task: what the user says, the tools, and the steps of the right answer.

    `in_text` marks those that a model without tool calling is given by the text protocol.
    """

    name: str
    text: str
    tools: tuple[ToolSpec, ...]
    steps: tuple[Step, ...]
    in_text: bool = False

    @property
    def wants_calls(self) -> bool:
        """Say whether a tool has to be called at all."""
        return any(step.calls for step in self.steps)

    @property
    def wants_several(self) -> bool:
        """Say whether more than one call belongs into one answer."""
        return any(len(step.calls) > 1 for step in self.steps)


def _tool(name: str, about: str, required: Json, optional: Json | None = None) -> ToolSpec:
    schema = {
        "type": "object",
        "properties": required | (optional or {}),
        "required": list(required),
        "additionalProperties": False,
    }
    return ToolSpec(name, about, msgspec.json.encode(schema).decode())


def _of(kind: str, about: str, **more: object) -> Json:
    return {"type": kind, "description": about, **more}


def _calls(*wanted: Wanted) -> Step:
    return Step(calls=wanted)


_WEATHER = _tool(
    "get_weather", "Return the weather in a city.", {"city": _of("string", "The city's name.")}
)
_TEMPERATURE = _tool(
    "get_temperature",
    "Return the temperature in one city, in degrees Celsius.",
    {"city": _of("string", "The city's name alone.")},
)
_CUSTOMER = _tool(
    "find_customer",
    "Return the id of the customer with this e-mail address.",
    {"email": _of("string", "The e-mail address.")},
)
_ORDERS = _tool(
    "list_orders",
    "Return the orders of one customer.",
    {"customer_id": _of("string", "The customer's id, as find_customer returns it.")},
)
_TITLE = {"title": _of("string", "The note's title.")}
_NOTES = (
    _tool("delete_note", "Delete a note.", _TITLE),
    _tool("list_notes", "Return the titles of all notes.", {}),
    _tool("read_note", "Return the text of a note.", _TITLE),
    _tool(
        "rename_note",
        "Give a note another title.",
        _TITLE | {"new_title": _of("string", "The title that it gets.")},
    ),
    _tool("search_notes", "Find notes by words.", {"query": _of("string", "The words.")}),
    _tool("write_note", "Make a new note.", _TITLE | {"text": _of("string", "Its whole text.")}),
)
_ADDRESS = {
    "type": "object",
    "description": "Where the person lives.",
    "properties": {
        "street": _of("string", "Street and number."),
        "zip": _of("string", "The postal code, all digits."),
        "city": _of("string", "The city's name."),
    },
    "required": ["street", "zip", "city"],
    "additionalProperties": False,
}
_LINES = 'She said "it\'s done", not "it is".\nC:\\temp\\new {"a": 1}'
_GREETING = "Grüße aus Köln, 東京 🚀"

# The most telling come first: a run may be limited to the first few.
TASKS: tuple[Task, ...] = (
    Task(
        "string",
        "What is the weather in Lisbon?",
        (_WEATHER,),
        (_calls(Wanted("get_weather", {"city": "Lisbon"})),),
        in_text=True,
    ),
    Task(
        "two calls",
        "Get the temperature in Oslo and in Rome, both at once if you can, then say which city is warmer.",
        (_TEMPERATURE,),
        (
            _calls(
                Wanted("get_temperature", {"city": "Oslo"}, "4"),
                Wanted("get_temperature", {"city": "Rome"}, "19"),
            ),
            Step(words=("rome",)),
        ),
    ),
    Task(
        "result used",
        "List the orders of the customer whose e-mail address is ada@example.org.",
        (_CUSTOMER, _ORDERS),
        (
            _calls(
                Wanted("find_customer", {"email": "ada@example.org"}, '{"customer_id": "K-4711"}')
            ),
            _calls(Wanted("list_orders", {"customer_id": "K-4711"})),
        ),
        in_text=True,
    ),
    Task(
        "no call",
        "What is 7 plus 5? Answer with the number.",
        (_WEATHER,),
        (Step(words=("12", "twelve")),),
    ),
    Task(
        "choice of six",
        "Rename the note 'draft' to 'final'.",
        _NOTES,
        (_calls(Wanted("rename_note", {"title": "draft", "new_title": "final"})),),
        in_text=True,
    ),
    Task(
        "integer",
        "Set a timer for 25 minutes.",
        (_tool("set_timer", "Start a timer.", {"minutes": _of("integer", "How long it runs.")}),),
        (_calls(Wanted("set_timer", {"minutes": 25})),),
        in_text=True,
    ),
    Task(
        "number",
        "Set the price of product A-17 to 19.99.",
        (
            _tool(
                "set_price",
                "Set the price of a product.",
                {"product": _of("string", "Its number."), "price": _of("number", "In euros.")},
            ),
        ),
        (_calls(Wanted("set_price", {"product": "A-17", "price": 19.99})),),
    ),
    Task(
        "boolean",
        "Switch the lamp in the kitchen off.",
        (
            _tool(
                "switch_lamp",
                "Switch a lamp on or off.",
                {
                    "room": _of("string", "The room's name alone, in lower case."),
                    "on": _of("boolean", "Whether it shines afterwards."),
                },
            ),
        ),
        (_calls(Wanted("switch_lamp", {"room": "kitchen", "on": False})),),
    ),
    Task(
        "enum",
        "Set the fan to medium speed.",
        (
            _tool(
                "set_fan",
                "Set the speed of the fan.",
                {"speed": _of("string", "The speed.", enum=["low", "medium", "high"])},
            ),
        ),
        (_calls(Wanted("set_fan", {"speed": "medium"})),),
    ),
    Task(
        "array",
        "Give photo 88 the tags beach, sunset and family, in this order.",
        (
            _tool(
                "tag_photo",
                "Give a photo tags.",
                {
                    "photo_id": _of("integer", "The photo's number."),
                    "tags": _of("array", "The tags.", items={"type": "string"}),
                },
            ),
        ),
        (_calls(Wanted("tag_photo", {"photo_id": 88, "tags": ["beach", "sunset", "family"]})),),
    ),
    Task(
        "nested object",
        "Add the contact Ada King. She lives at 5 Mill Lane, postal code 01234, in Dresden.",
        (
            _tool(
                "add_contact",
                "Add a person to the contacts.",
                {"name": _of("string", "The whole name."), "address": _ADDRESS},
            ),
        ),
        (
            _calls(
                Wanted(
                    "add_contact",
                    {
                        "name": "Ada King",
                        "address": {"street": "5 Mill Lane", "zip": "01234", "city": "Dresden"},
                    },
                )
            ),
        ),
    ),
    Task(
        "optional left out",
        "Search all my files for the word budget.",
        (
            _tool(
                "search_files",
                "Find files that hold a word.",
                {"query": _of("string", "The word alone.")},
                {"folder": _of("string", "Leave it out unless the user names a folder.")},
            ),
        ),
        (_calls(Wanted("search_files", {"query": "budget"})),),
    ),
    Task(
        "no parameters",
        "Which notes are there?",
        _NOTES[1:3],
        (_calls(Wanted("list_notes", {})),),
    ),
    Task(
        "exact text",
        "Make a new note with the title quote. Its text is these two lines, exactly as they are, without a line "
        f"break at the end:\n\n{_LINES}",
        _NOTES[5:],
        (_calls(Wanted("write_note", {"title": "quote", "text": _LINES})),),
    ),
    Task(
        "other alphabets",
        f"Make a new note with the title hello. Its text is exactly: {_GREETING}",
        _NOTES[5:],
        (_calls(Wanted("write_note", {"title": "hello", "text": _GREETING})),),
    ),
)
