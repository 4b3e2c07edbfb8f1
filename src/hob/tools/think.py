"""`think`: a note to oneself that people can see and the model does not read again."""

from hob.core.messages import ToolResult
from hob.core.ports import Clock
from hob.tools.settings import Settings
from hob.tools.tool import done, tool


@tool(access="none", replay="safe")
async def think(thought: str, clock: Clock, settings: Settings) -> ToolResult:
    """Write down a thought; it has no effect."""
    cap = settings.max_trace_length
    kept = thought[:cap].encode("utf-8", "replace").decode()
    if len(thought) > cap:
        kept += f" [+{len(thought) - cap} characters]"
        return done(f"noted, the first {cap} characters", thought=kept, at=clock.now_ms())
    return done("noted", thought=kept, at=clock.now_ms())
