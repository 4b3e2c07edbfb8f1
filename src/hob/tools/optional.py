"""Tools that an agent has only if somebody asks for them, so that every prompt stays small."""

from hob.tools.refactor.tool import refactor
from hob.tools.tool import FunctionTool

OPTIONAL: dict[str, FunctionTool] = {one.spec.name: one for one in (refactor,)}
