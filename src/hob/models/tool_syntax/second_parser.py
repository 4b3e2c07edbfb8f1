"""A model whose calls are read a second time on our side, where its server failed to.

The loop gets, and the history keeps, the message with its calls and the words that are left. The server's
template writes the calls again, as it does for those that it read itself: the history is the same whoever read
them, and every request still begins with the one before it. What streams by is shown as it comes, frames too.
"""

import msgspec
from msgspec.structs import replace

from hob.core.errors import ModelError
from hob.core.messages import AssistantMessage, Reply, ToolCall
from hob.core.ports import Model
from hob.core.request import Request
from hob.models.json_text import NOT_JSON
from hob.models.second_look import SecondLook
from hob.models.tool_syntax.hints import hint_for
from hob.models.tool_syntax.offers import Offered
from hob.models.tool_syntax.repair import repair_arguments
from hob.models.tool_syntax.scan import ORPHAN
from hob.models.tool_syntax.syntax import Parsed, calls_in_text, may_hold_calls


class SecondParser(SecondLook):
    """Any model, with the calls found that its server left in the text or handed on broken.

    `recovered` counts the calls that only this parser could read, `dialect` is that of the last ones ("native"
    for repaired arguments). `problem` and `tool` say what of the last answer could not be read.
    """

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.recovered = 0
        self.dialect = ""
        self.problem = ""
        self.tool = ""

    def seen(self, reply: Reply, request: Request) -> Reply:
        """Return the reply as it is read here, whatever it looks like."""
        return self.read(reply, request)

    def parser(self) -> "SecondParser":
        """Return itself."""
        return self

    def rescue(self, error: ModelError, thoughts: str, request: Request) -> Reply:
        """Return the reply behind thoughts that the server took for all there is; else raise the error."""
        self.problem = self.tool = ""
        # An answer of nothing but thoughts is an error, except where the call was taken for a thought.
        message = AssistantMessage(reasoning=thoughts)
        found = self._from_reasoning(message, request) if error.kind == "empty" else message
        if not found.calls:
            raise error
        return Reply(found)

    def read(self, reply: Reply, request: Request) -> Reply:
        """Return the reply with the calls that are in it. Raises `ModelError` for one that cannot be read."""
        self.problem = self.tool = ""
        message = reply.message
        if message.calls:
            calls = tuple(
                self._mended(call, request, message.stop == "length") for call in message.calls
            )
            changed = any(new is not old for new, old in zip(calls, message.calls, strict=True))
            return replace(reply, message=replace(message, calls=calls)) if changed else reply
        found = self._from_text(message, request)
        if not found.calls and not self.problem:
            found = self._from_reasoning(message, request)
        found = self._if_readable(found, request)
        return reply if found is message else replace(reply, message=found)

    def _if_readable(self, message: AssistantMessage, request: Request) -> AssistantMessage:
        """Raise `ModelError` (malformed) for a call that was clearly meant and cannot be read, at first.

        The loop asks again, otherwise and with these words. If that does not help, the answer stands as one
        that gave up: nothing was done.
        """
        tool = next((one for one in request.tools if one.name == self.tool), None)
        if not self.problem or tool is None or message.calls or message.stop == "length":
            return message
        if request.variation > 1:
            return replace(message, stop="gave_up")
        hint = hint_for(self.problem, tool, self.dialect)
        raise ModelError("malformed", f"{self.name!r} wrote a call that cannot be read. {hint}")

    def _from_text(self, message: AssistantMessage, request: Request) -> AssistantMessage:
        if not may_hold_calls(message.text):
            return message
        parsed = calls_in_text(message.text, request.tools, message.stop)
        return (
            self._with(parsed, replace(message, text=parsed.text))
            if self._counts(parsed)
            else message
        )

    def _from_reasoning(self, message: AssistantMessage, request: Request) -> AssistantMessage:
        """Return the message with the calls behind the thoughts, where the server took all for thoughts."""
        ends = [found.end() for found in ORPHAN.finditer(message.reasoning)]
        if not ends or not may_hold_calls(message.reasoning[ends[-1] :]):
            return message
        parsed = calls_in_text(message.reasoning[ends[-1] :], request.tools, message.stop)
        if not self._counts(parsed):
            return message
        text = "\n\n".join(part for part in (parsed.text.strip(), message.text) if part.strip())
        thoughts = message.reasoning[: ends[-1]]
        return self._with(parsed, replace(message, text=text, reasoning=thoughts))

    def _counts(self, parsed: Parsed) -> bool:
        self.problem, self.tool = parsed.problem, parsed.tool
        return bool(parsed.calls)

    def _with(self, parsed: Parsed, message: AssistantMessage) -> AssistantMessage:
        self.recovered += len(parsed.calls)
        self.dialect = parsed.dialect
        stop = message.stop if message.stop == "length" else "calls"
        return replace(message, calls=parsed.calls, stop=stop)

    def _mended(self, call: ToolCall, request: Request, cut: bool) -> ToolCall:
        """Return a call with the name and the arguments that were meant; the call itself if nothing is certain."""
        known = {tool.name: tool for tool in request.tools}
        if call.name in known and (cut or _is_object(call.arguments)):
            return call
        name = call.name if call.name in known else Offered(request.tools).name(call.name)
        if not name:
            return call
        arguments: str | None = call.arguments
        if not cut and not _is_object(call.arguments):
            arguments = repair_arguments(call.arguments, known[name].parameters)
        if arguments is None:
            self.problem, self.tool = "its arguments are not valid JSON", name
            return call
        if (name, arguments) == (call.name, call.arguments):
            return call
        self.recovered += 1
        self.dialect = "native"
        return replace(call, name=name, arguments=arguments)


def _is_object(arguments: str) -> bool:
    """Tell whether the loop will read this text as it is, in one fast look."""
    try:
        return isinstance(msgspec.json.decode(arguments), dict)
    except NOT_JSON:
        return False
