"""The engine of the tests: the real llama.cpp server with a tiny model of random weights."""

import os
from contextlib import suppress

import httpx2
import pytest

from tiny.engine import EngineFailed, engine
from tiny.templates import BROKEN, GOOD, LLAMA3


def test_engine_renders_the_template_in_its_model_and_answers():
    with engine(LLAMA3, n_ctx=4096, slots=2, model="small", eos="<|eot_id|>") as served:
        properties = httpx2.get(f"{served.root}/props").json()
        assert properties["total_slots"] == 2
        assert properties["chat_template"].strip() == LLAMA3.strip()
        asked = {"messages": [{"role": "user", "content": "Hello"}]}
        assert httpx2.post(f"{served.root}/apply-template", json=asked).json()["prompt"] == (
            "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n"
        )
        asked |= {"max_tokens": 3}
        answers = [
            httpx2.post(f"{served.base_url}/chat/completions", json={**asked, "seed": 1}).json()
            for _ in range(2)
        ]
        first, second = (answer["choices"][0]["message"]["content"] for answer in answers)
        assert first == second
        assert answers[1]["model"] == "small"
        assert answers[1]["usage"]["prompt_tokens_details"]["cached_tokens"] > 0
    with pytest.raises(ProcessLookupError):
        os.kill(served.pid, 0)


def test_engine_that_cannot_start_says_why():
    with pytest.raises(EngineFailed, match="no_such_setting"), engine(no_such_setting=1):
        pass


def test_every_template_loads():
    for name, template in {**GOOD, **BROKEN}.items():
        with engine(template) as served:
            asked = {"messages": [{"role": "user", "content": "Hello"}]}
            prompt = httpx2.post(f"{served.root}/apply-template", json=asked).json()["prompt"]
            assert "Hello" in prompt, name


def test_engine_that_is_killed_is_gone():
    with engine() as served:
        served.kill()
        with suppress(httpx2.HTTPError):
            pytest.fail(f"{httpx2.get(f'{served.root}/health')} came from a dead engine")
