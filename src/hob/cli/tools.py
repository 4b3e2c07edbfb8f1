"""The tools as the model sees them."""

import json
from collections.abc import Iterable

from hob.core.agent import ToolSpec


def tools_command(specs: Iterable[ToolSpec], *, as_json: bool) -> int:
    """Print every tool with its class of access, parameters and description."""
    specs = sorted(specs, key=lambda spec: spec.name)
    if as_json:
        shown = [
            {
                "name": spec.name,
                "description": spec.description,
                "access": spec.access,
                "replay": spec.replay,
                "parameters": json.loads(spec.parameters),
            }
            for spec in specs
        ]
        print(json.dumps(shown, indent=2))
        return 0
    for spec in specs:
        schema = json.loads(spec.parameters)
        required = schema.get("required", ())
        names = (name if name in required else f"[{name}]" for name in schema.get("properties", {}))
        print(f"{spec.name:<12} {spec.access:<8} {' '.join(names)}")
        print(f"{'':<21} {spec.description.splitlines()[0]}")
    return 0
