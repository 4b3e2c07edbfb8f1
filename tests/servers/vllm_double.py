"""A server that behaves like vLLM: its window in the list, and no tools unless it was started for them."""

from typing import Any

from servers.pages import Pages, words

NO_PARSER = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'


class VLLMDouble(Pages):
    """vLLM with one model; `calls_tools` as if `--enable-auto-tool-choice` was given."""

    def __init__(
        self, model: str = "qwen3-coder", window: int = 65_536, calls_tools: bool = True
    ) -> None:
        card = {
            "id": model,
            "object": "model",
            "created": 1,
            "owned_by": "vllm",
            "root": "Qwen/Qwen3-Coder-30B-A3B-Instruct",
            "parent": None,
            "max_model_len": window,
            "permission": [],
        }
        listed = {"object": "list", "data": [card]}
        super().__init__({"/version": {"version": "0.14.1"}, "/v1/models": listed})
        self._calls_tools = calls_tools

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Return an answer, or the refusal of tools."""
        if body.get("tools") and not self._calls_tools:
            error = {"message": NO_PARSER, "type": "BadRequestError", "param": None, "code": 400}
            return 400, {"error": error}
        return 200, words("Hi.", body["model"])
