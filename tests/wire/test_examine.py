"""What a server says of itself: every kind, and whatever answers in its place."""

import asyncio
import json
import socket

import pytest

from hob.core.errors import ModelError
from hob.models.examine import examine
from hob.models.facts import ModelFacts, ServerFacts
from hob.models.ollama_facts import NO_WINDOW
from hob.models.scripted_server import serve
from servers import lmstudio_double as studio
from servers.lmstudio_double import LMStudioDouble
from servers.ollama_double import Card, OllamaDouble
from servers.pages import Pages
from servers.router_double import RouterDouble
from servers.vllm_double import VLLMDouble
from tiny.engine import engine

DEMAND = "A model that is loaded on demand gets LM Studio's own context length, often 4,096."


def look(base_url, model=None, limit_s=3.0):
    return asyncio.run(examine(base_url, "", model, limit_s))


def ollama_card(name="qwen3:8b", **more):
    about = {
        "loaded": False,
        "max_window_tokens": 40_960,
        "tools": True,
        "vision": False,
        "thinking": False,
        "embedding": False,
        "size_bytes": 5_200_000_000,
        "digest": "sha256:1f",
    }
    return ModelFacts(name, **{**about, **more})


def test_ollama_tells_the_window_of_what_is_loaded_and_of_a_modelfile():
    cards = [
        Card(),
        Card("big", 131_072, ("completion", "vision", "thinking"), 65_536),
        Card("nomic-embed-text:latest", 2048, ("embedding",)),
    ]
    with OllamaDouble(cards=cards, loads=[("qwen3:8b", 16_384)]) as double:
        base_url = f"{double.root}/v1"
        assert look(base_url) == ServerFacts(
            "ollama",
            base_url,
            "0.15.6",
            models=(
                ollama_card(loaded=True, window_tokens=16_384, window_from="/api/ps"),
                ollama_card(
                    "big",
                    window_tokens=65_536,
                    max_window_tokens=131_072,
                    window_from="/api/show",
                    tools=False,
                    vision=True,
                    thinking=True,
                ),
                ollama_card(
                    "nomic-embed-text:latest", max_window_tokens=2048, tools=False, embedding=True
                ),
            ),
            notes=(NO_WINDOW,),
        )


def test_ollama_is_asked_for_details_of_the_named_model_only():
    with OllamaDouble(cards=[Card(), Card("b:latest")]) as double:
        base_url = f"{double.root}/v1"
        bare = ModelFacts("qwen3:8b", False, size_bytes=5_200_000_000, digest="sha256:1f")
        assert look(base_url, "b") == ServerFacts(
            "ollama", base_url, "0.15.6", models=(bare, ollama_card("b:latest")), notes=(NO_WINDOW,)
        )
        assert look(base_url, "").models == (
            bare,
            ModelFacts("b:latest", False, size_bytes=5_200_000_000, digest="sha256:1f"),
        )


@pytest.mark.parametrize("num_ctx", ["0", "9" * 5000, "x", "-1"])
def test_a_modelfile_with_a_window_that_is_none(num_ctx):
    pages = ollama_pages(parameters=f"num_ctx {num_ctx}\n")
    with Shows(pages) as double:
        (model,) = look(double.base_url).models
    assert (model.name, model.window_tokens, model.window_from) == ("m", None, "")


class Shows(Pages):
    """Pages, those under `/api/show` behind a POST."""

    def post(self, path, body):
        return self.get(path)


def ollama_pages(**shown):
    return {
        "/v1/models": {"object": "list", "data": [{"id": "m", "owned_by": "library"}]},
        "/api/version": {"version": "0.15.6"},
        "/api/tags": {"models": [{"name": "m", "size": 7, "digest": "d"}]},
        "/api/ps": {"models": [{"name": "m", "context_length": 8192}]},
        "/api/show": {"capabilities": ["completion"], "model_info": {}, **shown},
    } | ({} if not shown else {"/api/ps": {"models": []}})


@pytest.mark.parametrize(
    ("slow", "model"),
    [
        (
            "/api/tags",
            ModelFacts(
                "m",
                True,
                window_tokens=8192,
                window_from="/api/ps",
                tools=False,
                vision=False,
                thinking=False,
                embedding=False,
            ),
        ),
        (
            "/api/ps",
            ModelFacts(
                "m",
                False,
                tools=False,
                vision=False,
                thinking=False,
                embedding=False,
                size_bytes=7,
                digest="d",
            ),
        ),
    ],
)
def test_one_slow_path_of_ollama_costs_its_own_figures_only(slow, model):
    with Shows(ollama_pages(), slow=(slow,)) as double:
        facts = look(double.base_url, limit_s=0.3)
    assert (facts.kind, facts.models) == ("ollama", (model,))


def test_a_version_alone_makes_no_ollama():
    pages = {
        "/v1/models": {"data": [{"id": "m"}]},
        "/api/version": {"version": "3"},
    }
    with Pages(pages) as double:
        assert look(double.base_url) == ServerFacts(
            "openai", double.base_url, models=(ModelFacts("m"),)
        )


def test_an_ollama_without_models():
    pages = {
        "/v1/models": {"object": "list", "data": None},
        "/api/version": {"version": "0.15.6"},
        "/api/tags": {"models": []},
        "/api/ps": {"models": []},
    }
    with Pages(pages) as double:
        assert look(double.base_url) == ServerFacts("ollama", double.base_url, "0.15.6")


STUDIO = (
    studio.Card(window=32_768),
    studio.Card("gemma-3-12b", 131_072, kind="vlm", tools=False, vision=True),
    studio.Card("text-embedding-nomic", 2048, kind="embeddings", tools=False),
)


def test_lm_studio():
    with LMStudioDouble(*STUDIO) as double:
        facts = look(double.base_url)
    assert facts == ServerFacts(
        "lmstudio",
        double.base_url,
        models=(
            ModelFacts(
                "qwen/qwen3-coder-30b",
                True,
                32_768,
                262_144,
                "/api/v1/models",
                tools=True,
                vision=False,
                embedding=False,
                size_bytes=17_000_000_000,
            ),
            ModelFacts(
                "gemma-3-12b",
                False,
                max_window_tokens=131_072,
                tools=False,
                vision=True,
                embedding=False,
                size_bytes=17_000_000_000,
            ),
            ModelFacts(
                "text-embedding-nomic",
                False,
                max_window_tokens=2048,
                embedding=True,
                size_bytes=17_000_000_000,
            ),
        ),
    )


def test_an_older_lm_studio():
    with LMStudioDouble(*STUDIO, old=True) as double:
        facts = look(double.base_url)
    place = {"window_from": "/api/v0/models"}
    assert facts == ServerFacts(
        "lmstudio",
        double.base_url,
        models=(
            ModelFacts(
                "qwen/qwen3-coder-30b",
                True,
                32_768,
                262_144,
                **place,
                tools=True,
                vision=False,
                embedding=False,
            ),
            ModelFacts(
                "gemma-3-12b",
                False,
                max_window_tokens=131_072,
                tools=False,
                vision=True,
                embedding=False,
            ),
            ModelFacts(
                "text-embedding-nomic",
                False,
                max_window_tokens=2048,
                tools=False,
                vision=False,
                embedding=True,
            ),
        ),
    )


@pytest.mark.parametrize("old", [False, True])
def test_lm_studio_with_nothing_loaded_says_what_comes_of_that(old):
    with LMStudioDouble(studio.Card(), old=old) as double:
        assert look(double.base_url).notes == (DEMAND,)


@pytest.mark.parametrize("kind", ["ollama", "lmstudio"])
def test_what_has_no_name_is_no_model(kind):
    nameless = [{"size": 3}, {"name": ""}, {"key": None}]
    pages = ollama_pages()
    if kind == "ollama":
        pages["/api/tags"]["models"] += nameless
    else:
        pages = {
            "/v1/models": {"data": [{"id": "m"}]},
            "/api/v1/models": {"models": [*nameless, {"key": "m"}]},
        }
    with Shows(pages) as double:
        facts = look(double.base_url)
    assert (facts.kind, [one.name for one in facts.models]) == (kind, ["m"])


def test_vllm():
    with VLLMDouble() as double:
        assert look(double.base_url) == ServerFacts(
            "vllm",
            double.base_url,
            "0.14.1",
            models=(ModelFacts("qwen3-coder", None, 65_536, window_from="/v1/models"),),
        )
        assert double.asked == [("GET", "/v1/models"), ("GET", "/version")]


@pytest.mark.parametrize(("kv_unified", "window"), [(True, 8192), (False, 4096)])
def test_llama_cpp_tells_what_one_slot_gets(kv_unified, window):
    with engine(n_ctx=8192, slots=2, kv_unified=kv_unified) as served:
        facts = look(served.base_url)
    (model,) = facts.models
    assert facts == ServerFacts(
        "llamacpp",
        served.base_url,
        facts.version,
        slots=2,
        models=(
            ModelFacts(
                "tiny",
                True,
                window,
                65_536,
                "/props",
                tools=True,
                vision=False,
                size_bytes=model.size_bytes,
            ),
        ),
    )
    assert facts.version
    assert model.size_bytes > 1_000_000


def test_llama_cpp_whose_props_are_slow_still_tells_its_window():
    card = {"id": "m", "owned_by": "llamacpp", "meta": {"n_ctx": 4096, "n_ctx_train": 8192}}
    pages = {"/v1/models": {"data": [card]}, "/props": {"total_slots": 2}}
    with Pages(pages, slow=("/props",)) as double:
        facts = look(double.base_url, limit_s=0.3)
    assert facts == ServerFacts(
        "llamacpp", double.base_url, models=(ModelFacts("m", True, 4096, 8192, "/v1/models"),)
    )


def test_a_router_of_llama_cpp():
    with RouterDouble({"ggml-org/a:Q4": 16_384}, ("b",)) as double:
        expected = ServerFacts(
            "llamacpp",
            double.base_url,
            models=(
                ModelFacts("ggml-org/a:Q4", True, 16_384, window_from="/props"),
                ModelFacts("b", False),
            ),
            notes=("It is a router: models are loaded on demand.",),
        )
        assert look(double.base_url) == expected
        assert look(double.base_url, "ggml-org/a:Q4") == expected
        assert look(double.base_url, "b").models == (
            ModelFacts("ggml-org/a:Q4", True),
            ModelFacts("b", False),
        )
        assert all("autoload=false" in path for _, path in double.asked if "model=" in path)


def test_a_plain_server():
    with serve([], model="m") as server:
        assert look(server.base_url) == ServerFacts(
            "openai", server.base_url, models=(ModelFacts("m"),)
        )


def test_a_list_with_more_in_it():
    card = {"id": "m", "context_length": 131_072, "owned_by": None}
    with Pages({"/v1/models": {"data": [card, "x", None, {"id": 3}]}}) as double:
        assert look(double.base_url).models == (
            ModelFacts("m", window_tokens=131_072, window_from="/v1/models"),
        )


ODD = {"a": [], "n_ctx": "4096", "models": 3, "data": "x", "version": 3, "capabilities": {"a": 1}}


@pytest.mark.parametrize("owner", ["llamacpp", "vllm", "library", "organization_owner", 3, None])
@pytest.mark.parametrize(
    "odd",
    [
        b"<html>",
        b"[1]",
        b"3",
        b"null",
        b"",
        b"[" * 100_000,
        b'{"version":"1","models":[{"name":3,"key":[],"id":{},"loaded_instances":[{"config":[]}]}]}',
        b'{"version":"1","models":[3],"data":[3],"default_generation_settings":{"n_ctx":"4096"}}',
        b'{"version":"1","models":{"a":1},"data":{"a":1},"default_generation_settings":[1]}',
        b'{"default_generation_settings":{"n_ctx":-1},"total_slots":true,"chat_template":3}',
        json.dumps(ODD).encode(),
        b'{"models":"' + b"x" * 5_000_000 + b'"}',
    ],
    ids=lambda odd: repr(odd[:24]),
)
def test_odd_answers_leave_the_names(owner, odd):
    class Odd(Pages):
        def get(self, path):
            return 200, self.pages.get(path, odd)

        def post(self, path, body):
            return 200, odd

    card = {"id": "m", "owned_by": owner, "max_model_len": "4096", "meta": [], "status": None}
    card = {name: value for name, value in card.items() if value is not None}
    with Odd({"/v1/models": {"data": [card]}}) as double:
        facts = look(double.base_url)
    assert facts.base_url == double.base_url
    assert [one.window_tokens for one in facts.models] == [None] * len(facts.models)
    if facts.kind in ("openai", "llamacpp", "vllm"):
        assert [one.name for one in facts.models] == ["m"]


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b"{}", b'{"object":"list"}', b"3"])
def test_no_list_is_an_error(answer):
    with Pages({"/v1/models": answer}) as double, pytest.raises(ModelError) as caught:
        look(double.base_url)
    assert caught.value.kind == "malformed"
    assert "check the base URL" in str(caught.value)


def test_nobody_there():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(ModelError, match="cannot be reached") as caught:
        look(f"http://127.0.0.1:{port}/v1")
    assert caught.value.kind == "unreachable"


def test_a_list_that_does_not_come():
    pages = {"/v1/models": {"data": []}}
    with Pages(pages, slow=("/v1/models",)) as double, pytest.raises(ModelError) as caught:
        look(double.base_url, limit_s=0.2)
    assert caught.value.kind == "timeout"
