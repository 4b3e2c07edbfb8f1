"""Failures: status, words and waiting times to one error that says what to do."""

import json

import pytest

from hob.models.failures import from_error_object, from_status, quote, retry_after_s

OVERFLOWS = [
    # llama.cpp, before and after 2025
    "the request exceeds the available context size. try increasing the context size",
    "request (12345 tokens) exceeds the available context size (4096 tokens), try increasing it",
    # llama-cpp-python
    "Requested tokens (2285) exceed context window of 2048",
    # vLLM
    "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
    "The decoder prompt (length 25938) is longer than the maximum model length of 4096.",
    "The prompt (total length 25938) is too long to fit into the model (context length 4096).",
    # SGLang
    "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
    # Ollama
    "the input length exceeds the context length",
    "prompt too long; exceeded max context length by 123 tokens",
    # LM Studio
    "The number of tokens to keep from the initial prompt is greater than the context length.",
    "Trying to keep the first 10136 tokens when context the overflows. However, the model is "
    "loaded with context length of only 7866 tokens, which is not enough.",
    "Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)",
    # clouds
    "context_length_exceeded",
    "prompt is too long: 210000 tokens > 200000 maximum",
    "input length and `max_tokens` exceed context limit: 199759 + 8192 > 200000",
    "The input token count (40000) exceeds the maximum number of tokens allowed (32768).",
]


@pytest.mark.parametrize("words", OVERFLOWS)
@pytest.mark.parametrize("status", [400, 413, 500])
def test_an_overflow_is_known_by_its_words(words, status):
    body = json.dumps({"error": {"message": words}}).encode()
    assert from_status("server", status, {}, body).kind == "context_overflow"
    assert from_error_object("server", {"message": words}).kind == "context_overflow"


@pytest.mark.parametrize(
    "words",
    [
        "Unsupported param: context",
        "max_tokens must be positive",
        "Invalid value for 'n_ctx'",
        "The rate limit for this context was exceeded",
        "tools exceed 128 entries",
    ],
)
def test_other_words_are_no_overflow(words):
    assert from_status("server", 400, {}, words.encode()).kind == "refused"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b"", "auth"),
        (403, b"<html>", "auth"),
        (404, b'{"detail":"Not Found"}', "refused"),
        (422, b'{"detail":[{"loc":["body"],"msg":"bad"}]}', "refused"),
        (301, b"", "refused"),
        (204, b"", "refused"),
        (429, b"slow down", "overloaded"),
        (429, b'{"error":{"code":"insufficient_quota","message":"no money"}}', "refused"),
        (503, b'{"error":{"message":"Loading model"}}', "overloaded"),
        (529, b"", "overloaded"),
        (500, b"\xff\xfe", "server"),
        (502, b"<html>Bad Gateway</html>", "server"),
        (599, b"null", "server"),
    ],
)
def test_a_status_decides_the_kind(status, body, kind):
    error = from_status("host:1", status, {}, body)
    assert (error.kind, error.status) == (kind, status)
    assert str(error).startswith(f"host:1 answered {status}")
    assert str(error).endswith(").")
    assert "<html>" not in str(error)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "boom", "code": 500}, "server"),
        ("boom", "server"),
        ([1], "server"),
        ({"message": "The model is overloaded"}, "overloaded"),
        ({"code": 503, "message": "later"}, "overloaded"),
        ({"code": 429}, "overloaded"),
        ({"type": "rate_limit_error"}, "overloaded"),
    ],
)
def test_an_error_in_a_stream_has_a_kind(error, kind):
    assert from_error_object("server", error).kind == kind


DATE = "Fri, 20 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "86400"}, 120.0),
        ({"retry-after": "Fri, 20 Nov 2026 12:00:30 GMT", "date": DATE}, 30.0),
        ({"retry-after": "Friday, 20-Nov-26 12:00:30 GMT", "date": DATE}, 30.0),
        ({"retry-after": "Fri, 20 Nov 2026 11:00:00 GMT", "date": DATE}, 0.0),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:00 GMT", "date": DATE}, 120.0),
        ({"retry-after": "Fri, 20 Nov 2026 12:00:30 GMT"}, None),
        ({"retry-after": "Fri, 20 Foo 2026 12:00:30 GMT", "date": DATE}, None),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
    ],
)
def test_waiting_times_come_in_five_shapes(headers, wait_s):
    assert retry_after_s(headers) == wait_s
    assert from_status("server", 429, headers, b"").retry_after_s == wait_s
    assert from_status("server", 400, headers, b"").retry_after_s is None


def test_words_from_outside_are_made_harmless():
    assert quote("a\x1b[31mred\r\n\x00b\u202e") == "a [31mred b"
    assert len(quote("x" * 10_000)) == 300
    assert quote("key sk-123 is wrong", "sk-123") == "key *** is wrong"
    error = from_status("server", 401, {}, b'{"error":"no such key: sk-123"}', "sk-123")
    assert "sk-123" not in str(error)


@pytest.mark.parametrize(
    ("words", "window"),
    [
        ('{"type":"exceed_context_size_error","n_prompt_tokens":9100,"n_ctx":8192}', 8192),
        ("This model's maximum context length is 4096 tokens. However, you requested 5000", 4096),
        ("prompt is too long: 210,000 tokens > 200,000 maximum", 200000),
        ("input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000", 200000),
        ("the request (9100 tokens) exceeds the available context size (8192 tokens)", 8192),
        ("the model is loaded with context length of only 4096 tokens, which is short", 4096),
        ("(length 5000) is longer than the maximum model length of 4096.", 4096),
        ("context length exceeded", None),
    ],
)
def test_an_overflow_tells_the_window(words, window):
    error = from_status("host:1", 400, {}, json.dumps({"error": {"message": words}}).encode())
    assert (error.kind, error.window_tokens) == ("context_overflow", window)
