"""A server that behaves like llama.cpp's router: no window of its own, one for each model that is loaded."""

from typing import Any
from urllib.parse import quote

from servers.pages import Pages, words


class RouterDouble(Pages):
    """A router; `loaded` are the windows of loaded models, `unloaded` names of others.

    Its own `/props` names a window of 0, as llama.cpp's does for its web page.
    """

    def __init__(self, loaded: dict[str, int], unloaded: tuple[str, ...] = ()) -> None:
        cards = [_card(name, "loaded") for name in loaded]
        cards += [_card(name, "unloaded") for name in unloaded]
        own = {"role": "router", "max_instances": 4, "model_alias": "llama-server"}
        pages: dict[str, Any] = {
            "/v1/models": {"object": "list", "data": cards},
            "/props": own | {"default_generation_settings": {"params": None, "n_ctx": 0}},
        }
        for name, window in loaded.items():
            settings = {"default_generation_settings": {"n_ctx": window}, "total_slots": 2}
            pages[f"/props?model={quote(name, safe='')}&autoload=false"] = settings
        super().__init__(pages)

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Return an answer."""
        return 200, words("Hi.", body["model"])


def _card(name: str, status: str) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "owned_by": "llamacpp",
        "created": 1,
        "in_cache": True,
        "status": {"value": status, "args": ["llama-server", "-m", name]},
    }
