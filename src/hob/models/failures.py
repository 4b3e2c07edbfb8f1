"""What went wrong at a model server, as `ModelError`: its kind decides whether to try again.

    an HTTP status           401 403 auth · 429 503 529 overloaded · other 5xx server · rest refused
    an error in a stream     overloaded · server
    either, with such words  context_overflow

Words from outside are shortened and freed of control characters and of our own key.
"""

import re
from calendar import timegm
from collections.abc import Mapping
from typing import cast

import msgspec

from hob.core.errors import ErrorKind, ModelError
from hob.models.json_text import NOT_JSON, loads

MAX_QUOTE_CHARS = 300
MAX_RETRY_AFTER_S = 120.0

# Wordings of llama.cpp, llama-cpp-python, vLLM, SGLang, Ollama, LM Studio, the clouds.
_OVERFLOW = (
    r"context_length_exceeded|exceed_context_size|maximum context length|maximum model length"
    r"|exceed(s|ed|ing)?\W+(\w+'?s?\W+){0,4}context"
    r"|context (size|length|window|limit)\W+(\w+ ){0,2}exceeded"
    r"|context length of only|(longer|greater) than the (model's )?context|context overflow"
    r"|context the overflows|prompt (is )?too long|too long to fit|\bn_keep\b.*\bn_ctx\b"
    r"|input token count .* exceeds|reduce the length of the (messages|input|prompt)"
)
# llama.cpp's own field first; then the clouds' and vLLM's sentences, which name the prompt's size too.
_WINDOWS = (
    r"n_ctx\W{1,6}(\d{3,8})",
    r"> (\d[\d,]{2,9})\b",
    r"(?:context|maximum|model)\W+(?:\w+\W+){0,3}?(?:length|size|window|limit)\W+(?:\w+\W+){0,3}?(\d[\d,]{2,9})\b",
)
_OVERLOADED = r"overloaded|rate.?limit|too many requests|loading|capacity|unavailable|try again"
_DATE = r"(\d{1,2})[ -]([A-Z][a-z]{2})[ -](\d{4}|\d\d) (\d\d):(\d\d):(\d\d) GMT"
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"
_OVERFLOW_STATUSES = (400, 413, 422, 500)
_OVERLOADED_STATUSES = (429, 503, 529)


def quote(text: str, secret: str = "") -> str:
    """Return words from outside, safe to show: one printable line of at most 300 characters."""
    shown = text[: 8 * MAX_QUOTE_CHARS]
    if secret:
        shown = shown.replace(secret, "***")
    shown = " ".join("".join(c if c.isprintable() else " " for c in shown).split())
    return shown if len(shown) <= MAX_QUOTE_CHARS else shown[: MAX_QUOTE_CHARS - 1] + "…"


def says_loading(status: int, body: bytes) -> bool:
    """Say whether a response tells that the model is being loaded, so that it only takes time."""
    return status == 503 and b"loading" in body.lower()


def from_status(
    server: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    secret: str = "",
) -> ModelError:
    """Return the failure that a response other than 200 stands for."""
    error = _error_in(body)
    said = f": {quoted}" if (quoted := _said(error, secret)) else ""
    words = _words(error)
    kind, step = _judge(status, words, headers)
    wait_s = retry_after_s(headers) if kind in ("overloaded", "server") else None
    window = window_in(words) if kind == "context_overflow" else None
    return ModelError(kind, f"{server} answered {status}{said} ({step}).", wait_s, status, window)


def from_error_object(server: str, error: object, secret: str = "") -> ModelError:
    """Return the failure that an error object inside a stream with status 200 stands for."""
    words = _words(error)
    code = _field(error, "code")
    if re.search(_OVERFLOW, words, re.IGNORECASE | re.DOTALL):
        kind, step = _OVERFLOW_STEP
    elif code in _OVERLOADED_STATUSES or re.search(_OVERLOADED, words, re.IGNORECASE):
        kind, step = _OVERLOADED_STEP
    else:
        kind, step = _SERVER_STEP
    said = _said(error, secret) or "no words"
    window = window_in(words) if kind == "context_overflow" else None
    text = f"{server} sent an error in its answer: {said} ({step})."
    return ModelError(kind, text, window_tokens=window)


def window_in(words: str) -> int | None:
    """Return the window in tokens that the words of an overflow name, if they do."""
    for pattern in _WINDOWS:
        if found := re.search(pattern, words, re.IGNORECASE):
            return int(found[1].replace(",", "")) or None
    return None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return how long the server asks us to wait, in seconds, at most 120 (RFC 9110, 10.2.3).

    Understands whole and broken seconds, `retry-after-ms`, and an HTTP date, counted from the
    server's own `Date`, so that no two clocks need to agree. Anything else is None.
    """
    wait_s = _number(headers.get("retry-after-ms", ""))
    if wait_s is not None:
        wait_s /= 1000
    else:
        asked = headers.get("retry-after", "")
        wait_s = _number(asked)
        if wait_s is None and (until_s := _http_date_s(asked)) is not None:
            since_s = _http_date_s(headers.get("date", ""))
            wait_s = None if since_s is None else max(0.0, until_s - since_s)
    return None if wait_s is None else min(wait_s, MAX_RETRY_AFTER_S)


_Verdict = tuple[ErrorKind, str]
_OVERFLOW_STEP: _Verdict = ("context_overflow", "compact the session or raise the server's window")
_OVERLOADED_STEP: _Verdict = ("overloaded", "it is busy or still loading, so trying again helps")
_SERVER_STEP: _Verdict = ("server", "look at the server's log if it happens again")
_QUOTA_STEP: _Verdict = ("refused", "the account has no quota left, so waiting does not help")
_NO_PARSER = (
    "vLLM was started without tool calling: add `--enable-auto-tool-choice --tool-call-parser NAME` to its command,"
    " or let Hob write calls as text with `--edit-format diff`"
)


def _judge(status: int, words: str, headers: Mapping[str, str]) -> _Verdict:
    if status in _OVERFLOW_STATUSES and re.search(_OVERFLOW, words, re.IGNORECASE | re.DOTALL):
        return _OVERFLOW_STEP
    if status == 429 and "insufficient_quota" in words:
        return _QUOTA_STEP
    if status in _OVERLOADED_STATUSES:
        return _OVERLOADED_STEP
    if status in (401, 403):
        return "auth", "check the API key"
    if status >= 500:
        return _SERVER_STEP
    return "refused", _refused_step(status, words, headers)


def _refused_step(status: int, words: str, headers: Mapping[str, str]) -> str:
    if "--enable-auto-tool-choice" in words:
        return _NO_PARSER
    if 300 <= status < 400:
        target = quote(headers.get("location", "elsewhere"))
        return f"it points to {target}; redirects are not followed, so give the final base URL"
    if status == 404:
        return "check the base URL and the model's name"
    return "sending the same again cannot help; look at the model's name and the server's log"


def _error_in(body: bytes) -> object:
    """Return what an error body holds: the value of `error` or `detail`, the document, its text."""
    try:
        document = loads(body)
    except NOT_JSON:
        text = body.decode("utf-8", "replace").strip()
        return "" if text.startswith("<") else text
    return _field(document, "error") or _field(document, "detail") or document


def _field(error: object, name: str) -> object:
    return cast("dict[str, object]", error).get(name) if isinstance(error, dict) else None


def _said(error: object, secret: str) -> str:
    """Return an error's own words, fit to be shown inside a sentence."""
    message = _field(error, "message")
    return quote(message if isinstance(message, str) else _words(error), secret).rstrip(".")


def _words(error: object) -> str:
    """Return everything in an error that tells its kind."""
    if isinstance(error, str):
        return error
    return msgspec.json.encode(error).decode() if error else ""


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


def _http_date_s(text: str) -> float | None:
    """Return seconds since the epoch for the two GMT forms of RFC 9110, 5.6.7."""
    found = re.search(_DATE, text)
    if found is None or (month := _MONTHS.find(found[2])) % 3:
        return None
    year = int(found[3])
    if year < 100:
        year += 2000
    day, hour, minute, second = (int(found[n]) for n in (1, 4, 5, 6))
    return float(timegm((year, month // 3 + 1, day, hour, minute, second, 0, 0, 0)))
