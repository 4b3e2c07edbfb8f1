"""Whether a window is large enough to work in, and how to make it larger where it is not."""

from hob.models.facts import ServerKind

ROOM_TOKENS = 4096  # beside the head: a few files and results, an answer, a summary
ENOUGH_TOKENS = 32_768

_MEND: dict[ServerKind, str] = {
    "ollama": "start Ollama with OLLAMA_CONTEXT_LENGTH={0}, or set HOB_CONTEXT_TOKENS={0}",
    "llamacpp": "start llama-server with `-c {0}`; `-c` is divided among the slots of `--parallel`",
    "lmstudio": "load the model with a context length of {0} (My Models, or `lms load --context-length {0}`)",
    "vllm": "start vLLM with `--max-model-len {0}`",
}
_MEND_ANY = "raise the server's window to {0} tokens or more"
_MEND_CONFIGURED = "raise it with --context-tokens or HOB_CONTEXT_TOKENS, or leave it to the server"
_MEND_MODEL = "the model was trained for no more, so take another one"


def too_small(
    kind: ServerKind,
    model: str,
    window_tokens: int | None,
    head_tokens: int,
    *,
    configured: bool = False,
    trained_tokens: int | None = None,
) -> str:
    """Return in one sentence why a window is too small to work in and what to do, or an empty string.

    `configured`: the person chose it. `trained_tokens`: the largest window of the model, if it is known.
    """
    needed = head_tokens + ROOM_TOKENS
    if window_tokens is None or window_tokens >= needed:
        return ""
    mend = _MEND.get(kind, _MEND_ANY).format(ENOUGH_TOKENS)
    if configured:
        mend = _MEND_CONFIGURED
    elif trained_tokens is not None and trained_tokens < needed:
        mend = _MEND_MODEL
    return (
        f"The window of {model!r} is {window_tokens:,} tokens, and the instructions and tools take about"
        f" {head_tokens:,} of them: too little to work in; {mend}."
    )
