"""The doctor's vocabulary: for each thing that can be wrong, how bad it is, what it breaks, how to mend it."""

from typing import NamedTuple

from hob.models.facts import ServerKind
from hob.models.profile import Finding, Severity


class _Advice(NamedTuple):
    severity: Severity
    breaks: str
    mend: str
    by_template: bool = False


_TEMPLATE = "<template>"

# probe -> advice. The mend "<template>" is replaced by how this server takes another chat template.
_ADVICE: dict[str, _Advice] = {
    "no-usage": _Advice(
        "note",
        "Hob cannot see what the server drops or cuts, and has to estimate how full the window is.",
        "Nothing to do in Hob; a server that reports usage can be examined.",
    ),
    "usage-partial": _Advice(
        "note",
        "The server counts only the tokens that it computed, not the prompt: drops and cuts cannot be seen.",
        "Update the server; newer ones count the whole prompt.",
    ),
    "refuses-short": _Advice(
        "note", "", "Nothing to do: the doctor asked for a few more tokens instead."
    ),
    "tools-dropped": _Advice(
        "broken",
        "The model never learns that it has tools, so it only talks.",
        _TEMPLATE,
        True,
    ),
    "tools-partial": _Advice("broken", "The model knows only some of its tools.", _TEMPLATE, True),
    "tools-lost-later": _Advice(
        "broken",
        "After a result or a second question the model forgets its tools and stops in the middle of a task.",
        _TEMPLATE,
        True,
    ),
    "system-dropped": _Advice("broken", "The model never reads its instructions.", _TEMPLATE, True),
    "system-dropped-with-tools": _Advice(
        "broken",
        "As soon as there are tools the model does not read its instructions.",
        _TEMPLATE,
        True,
    ),
    "system-lost-later": _Advice(
        "broken", "From the second question on the instructions are gone.", _TEMPLATE, True
    ),
    "system-merged": _Advice(
        "note",
        "llama.cpp puts the instructions into the first question instead; other servers would drop or refuse them.",
        "Nothing to do.",
    ),
    "results-dropped": _Advice(
        "broken",
        "The model never sees what a tool returned, so it calls the same again and again or invents it.",
        _TEMPLATE,
        True,
    ),
    "past-results-dropped": _Advice(
        "broken", "With the next question all earlier results are forgotten.", _TEMPLATE, True
    ),
    "calls-dropped": _Advice(
        "broken",
        "The model does not see what it called itself, and loses its format and its thread.",
        _TEMPLATE,
        True,
    ),
    "arguments-escaped": _Advice(
        "broken",
        "Past calls are shown with arguments escaped twice; the model copies that, and its calls stop parsing.",
        _TEMPLATE,
        True,
    ),
    "arguments-not-json": _Advice(
        "broken",
        "Past calls are shown with arguments that are not JSON; the model copies that.",
        _TEMPLATE,
        True,
    ),
    "parallel-refused": _Advice(
        "costly",
        "Two calls in one answer end the session with an error; Hob therefore makes one call at a time here.",
        _TEMPLATE,
        True,
    ),
    "parallel-dropped": _Advice(
        "broken",
        "Of two calls in one answer only one, or only one result, reaches the model; Hob makes one at a time here.",
        _TEMPLATE,
        True,
    ),
    "results-order": _Advice(
        "broken",
        "Results come to the model in another order than its calls, so it mixes them up.",
        _TEMPLATE,
        True,
    ),
    "calls-refused": _Advice(
        "broken", "A session ends with an error after the first tool call.", _TEMPLATE, True
    ),
    "system-refused": _Advice(
        "broken", "Hob's instructions are refused, so no session can begin.", _TEMPLATE, True
    ),
    "turn-refused": _Advice(
        "broken", "The second question of a session ends with an error.", _TEMPLATE, True
    ),
    "history-dropped": _Advice(
        "broken", "The model forgets what was said before the last question.", _TEMPLATE, True
    ),
    "generation-prompt": _Advice(
        "broken",
        "The prompt does not open the model's answer: it may go on as the user, or write its own header as text.",
        _TEMPLATE,
        True,
    ),
    "clock": _Advice(
        "costly",
        "The prompt changes with the time, so the server computes all of it again in every step.",
        _TEMPLATE,
        True,
    ),
    "date": _Advice(
        "note", "At midnight the server computes a running prompt once more.", "Nothing to do."
    ),
    "cache-unused": _Advice(
        "costly",
        "The server computes the whole prompt again in every step.",
        "Switch prompt caching on (llama.cpp: do not use --no-cache-prompt; vLLM: --enable-prefix-caching), "
        "and see that no other program uses the same slot.",
    ),
    "prefix-moves": _Advice(
        "costly",
        "A longer conversation changes the middle of the prompt, so most of it is computed again.",
        _TEMPLATE,
        True,
    ),
    "cut-silently": _Advice(
        "broken",
        "A prompt over the window is cut without an error: instructions and tools vanish first, the model seems dumb.",
        "Raise the window",
    ),
    "window-small": _Advice(
        "broken",
        "A session does not fit: instructions, tools and one file need more.",
        "Raise the window",
    ),
    "window-unknown": _Advice(
        "note",
        "Hob cannot plan for the window and learns it from the first overflow.",
        "Say it to the server when it starts, or use a server that reports it.",
    ),
    "window-unchecked": _Advice("note", "", "Nothing to do."),
    "window-larger": _Advice(
        "note", "The server took a longer prompt than the window that it states.", "Nothing to do."
    ),
    "tools-unsupported": _Advice(
        "broken",
        "The server itself says that this model has no tool calling; calls would be ignored or refused.",
        "Take a model or a template with tools, or go on with Hob's text protocol, which the profile now chooses.",
    ),
    "tools-refused": _Advice(
        "broken",
        "Requests with tools end with an error.",
        "Start the server with tool calling",
    ),
    "calls-in-text": _Advice(
        "broken",
        "The server does not recognise the model's calls and hands them over as text.",
        "Start the server with tool calling",
    ),
    "calls-lost": _Advice(
        "note",
        "The server could not read what the model wrote and threw the answer away.",
        "If it happens in sessions too, update the server or correct its tool-call parser.",
    ),
    "no-call": _Advice(
        "note",
        "Whether calls come back as calls could not be seen.",
        "Try again, or measure how well the model calls tools: `hob models bench MODEL`.",
    ),
    "answer-failed": _Advice(
        "broken", "A plain question gives no usable answer.", "Look at the server's log."
    ),
    "probe-failed": _Advice(
        "note",
        "One examination could not be made.",
        "Look at the server's log if it happens again.",
    ),
    "slow": _Advice(
        "note",
        "A step takes minutes before its first word.",
        "Hob waits; a smaller model or more layers on the GPU help.",
    ),
    "null-content": _Advice(
        "note",
        "Clients that send no text beside calls fail here.",
        "Nothing to do: Hob always sends text.",
    ),
    "strict-roles": _Advice(
        "note",
        "Clients that do not alternate roles fail here.",
        "Nothing to do: Hob alternates strictly and sends one system message.",
    ),
    "control-tokens": _Advice(
        "note",
        "A file that holds such a mark could end the turn or pose as the user.",
        "Nothing to do: Hob breaks such marks in what tools return.",
    ),
    "special-tokens": _Advice(
        "broken",
        "The marks of the template are ordinary text to this model, so it does not see where messages end.",
        "Use a GGUF whose vocabulary marks them as special (convert the model again).",
    ),
    "thoughts": _Advice("note", "", "Nothing to do: the profile holds it."),
}

_HOW: dict[str, str] = {
    "llamacpp": "Give it a sound chat template: `hob doctor --write-template FILE`, then start llama-server with"
    " `--jinja --chat-template-file FILE`.",
    "vllm": "Give it a sound chat template: `hob doctor --write-template FILE`, then start vLLM with"
    " `--chat-template FILE`.",
    "ollama": "Pull a newer build of the model, or write a Modelfile whose TEMPLATE handles `.Tools`, `.ToolCalls` and"
    " role `tool`.",
    "lmstudio": "Correct the prompt template: My Models, the model's settings, Prompt Template (`hob doctor"
    " --write-template FILE` writes a sound one).",
}
_WINDOW: dict[str, str] = {
    "llamacpp": "Start llama-server with a larger `-c`; slots share it.",
    "vllm": "Start vLLM with a larger `--max-model-len`.",
    "ollama": "Set OLLAMA_CONTEXT_LENGTH=32768 (or num_ctx in a Modelfile) and load the model again.",
    "lmstudio": "Load the model with a larger context length (`lms load --context-length 32768`).",
}
_CALLING: dict[str, str] = {
    "llamacpp": "Start llama-server with `--jinja`, and with a template that the parser knows.",
    "vllm": "Start vLLM with `--enable-auto-tool-choice --tool-call-parser NAME`.",
    "ollama": "Take a model whose `ollama show` lists the capability tools.",
    "lmstudio": "Take a model that LM Studio marks for tool use.",
}
_OTHERWISE = {
    "template": "Give the server a sound chat template; `hob doctor --write-template FILE` writes one.",
    "window": "Start the server with a larger window (context length).",
    "calling": "Start the server with tool calling switched on.",
}


def finding(probe: str, seen: str, kind: ServerKind = "openai") -> Finding:
    """Return a finding in plain words for a server of this kind."""
    advice = _ADVICE[probe]
    mend = advice.mend
    if mend == _TEMPLATE:
        mend = _HOW.get(kind, _OTHERWISE["template"])
    elif mend == "Raise the window":
        mend = _WINDOW.get(kind, _OTHERWISE["window"])
    elif mend == "Start the server with tool calling":
        mend = _CALLING.get(kind, _OTHERWISE["calling"])
    return Finding(probe, advice.severity, seen, advice.breaks, mend)


def mended_by_template(found: Finding) -> bool:
    """Say whether another chat template would mend it."""
    return _ADVICE[found.probe].by_template
