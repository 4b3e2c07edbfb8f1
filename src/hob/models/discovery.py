"""Which model to talk to when nobody, or not everybody, has said so. Never a cloud by accident.

    flags > HOB_* > OPENAI_BASE_URL > ANTHROPIC_BASE_URL > OLLAMA_HOST > usual ports of this machine > offline

A key goes only where it belongs: to the server it was given with, never to one that was found.
"""

import asyncio
import socket
from contextlib import suppress
from ipaddress import IPv6Address
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from hob.core.errors import ModelError
from hob.models.address import host_and_port, is_loopback, normalise, server_name
from hob.models.examine import examine
from hob.models.facts import ModelFacts, ServerFacts, ServerKind

USUAL_PORTS = (8080, 9931, 11434, 1234, 8000, 8012, 1337)
"""llama.cpp (old and new), Ollama, LM Studio, vLLM, our router, Atomic Chat; the first one that answers wins."""

OFFLINE = "offline"
OLLAMA_PORT = 11434
_KNOCK_S = 0.3
_LIST_S = 3.0
_DETAILS_S = 2.0
_REMOTE_LIST_S = 15.0
_NO_CHAT = ("embed", "bge-", "e5-", "gte-", "minilm", "rerank", "whisper", "tts", "clip")


class Wishes(Struct, frozen=True):
    """What is known already: flags, then environment values as the configuration read them."""

    base_url: str = ""
    model: str = ""
    api_key: str = ""
    hob_base_url: str = ""
    hob_model: str = ""
    hob_api_key: str = ""
    openai_base_url: str = ""
    openai_api_key: str = ""
    anthropic_base_url: str = ""
    anthropic_api_key: str = ""
    protocol: str = ""  # chat, responses or messages; empty: as the server's address says
    ollama_host: str = ""  # as OLLAMA_HOST is written; looked at before the usual ports
    ports: tuple[int, ...] = USUAL_PORTS


class Found(Struct, frozen=True):
    """The model to use. `why` is one sentence for people; with kind offline there is no server.

    `facts` are what the server said of itself, None if it was not asked or gave no answer.
    """

    base_url: str
    model: str
    api_key: str
    why: str
    kind: ServerKind
    facts: ServerFacts | None = None
    protocol: str = "chat"

    @property
    def card(self) -> ModelFacts:
        """Return what the server said of the model."""
        models = () if self.facts is None else self.facts.models
        # llama.cpp with one model (a router has no slots of its own) answers to every name.
        only = models if self.facts is not None and self.facts.slots and len(models) == 1 else ()
        same = (one for one in models if is_same(one.name, self.model))
        return next(iter((*same, *only)), ModelFacts(self.model))


async def discover(wishes: Wishes) -> Found:
    """Return the model to use.

    A server of this machine is asked what it is. With a base URL elsewhere and a model nothing is asked of
    the network: the first call will tell. A base URL alone is asked for its models, and a server that was
    named but cannot serve is an error and never replaced by another one. Raises `ModelError`.
    """
    model = wishes.model or wishes.hob_model
    if model == OFFLINE:
        return _offline("it was asked for")
    base_url, api_key, origin = _named(wishes)
    if not base_url:
        return await _look_around(model, wishes)
    base_url = normalise(base_url)
    protocol = wishes.protocol or ("messages" if origin == "ANTHROPIC_BASE_URL" else "chat")
    if not model and protocol == "messages" and not is_loopback(base_url):
        raise ModelError("refused", f"{server_name(base_url)} needs a model: name it with --model.")
    if not model:
        facts = await _ask(base_url, api_key)
        base_url, model = facts.base_url, _first(facts)
        if not model:
            text = (
                f"{server_name(base_url)} offers no chat model; load one or name it with --model."
            )
            raise ModelError("refused", text)
    why = f"Using {model!r} at {server_name(base_url)}, as {origin} says."
    found = await _known(base_url, model, api_key, why)
    return replace(found, protocol=protocol)


async def _known(base_url: str, model: str, api_key: str, why: str) -> Found:
    """Return a model with what its server says of it; a server far away is not asked."""
    facts = None
    if is_loopback(base_url):
        with suppress(ModelError):
            facts = await examine(base_url, api_key, model, _DETAILS_S)
    kind = "openai" if facts is None else facts.kind
    return Found(base_url, model, api_key, why, kind, facts)


def _named(wishes: Wishes) -> tuple[str, str, str]:
    """Return base URL, key and the origin of the base URL; all empty if nobody named a server."""
    if wishes.base_url:
        # A key goes only to the server it was given with, or to any if it was given with none.
        ours = wishes.hob_base_url in ("", wishes.base_url)
        own = wishes.api_key or (wishes.hob_api_key if ours else "")
        theirs = {
            wishes.anthropic_base_url: wishes.anthropic_api_key,
            wishes.openai_base_url: wishes.openai_api_key,
        }
        return wishes.base_url, own or theirs.get(wishes.base_url, ""), "--base-url"
    if wishes.hob_base_url:
        return wishes.hob_base_url, wishes.api_key or wishes.hob_api_key, "HOB_BASE_URL"
    if wishes.openai_base_url:
        keys = wishes.api_key or wishes.hob_api_key or wishes.openai_api_key
        return wishes.openai_base_url, keys, "OPENAI_BASE_URL"
    if wishes.anthropic_base_url:
        keys = wishes.api_key or wishes.hob_api_key or wishes.anthropic_api_key
        return wishes.anthropic_base_url, keys, "ANTHROPIC_BASE_URL"
    return "", "", ""


async def _ask(base_url: str, api_key: str) -> ServerFacts:
    """Return what a server offers; a path may lack its `/v1`."""
    limit_s = _LIST_S if is_loopback(base_url) else _REMOTE_LIST_S
    try:
        return await examine(base_url, api_key, "", limit_s)
    except ModelError as error:
        if error.status != 404 or base_url.endswith("/v1"):
            raise
    return await examine(f"{base_url}/v1", api_key, "", limit_s)


async def look_around(ports: tuple[int, ...], ollama_host: str = "") -> list[str]:
    """Return the base URLs of this machine where somebody listens, OLLAMA_HOST first."""
    open_ports = await asyncio.gather(*map(_listens, ports))
    bases = [
        f"http://127.0.0.1:{p}/v1" for p, is_open in zip(ports, open_ports, strict=True) if is_open
    ]
    named = ollama_base(ollama_host)
    return [named, *(base for base in bases if base != named)] if named else bases


def ollama_base(host: str) -> str:
    """Return the base URL that OLLAMA_HOST means, "" for none: a server that listens everywhere is here.

    As Ollama reads it: no port means 11434, but 80 or 443 behind a scheme; no host means this machine.
    """
    asked = host.strip().strip("\"'").strip()
    scheme, _, rest = asked.rpartition("://")
    try:
        bare = IPv6Address(rest.strip("[]"))
    except ValueError:
        named = f"127.0.0.1{rest}" if rest.startswith(":") else rest
    else:
        named = f"[{bare}]"
    try:
        base_url = normalise(f"{scheme or 'http'}://{named}") if named else ""
    except ModelError:
        base_url = ""
    if not base_url:
        return ""
    parts = urlsplit(base_url)
    name = parts.hostname or ""
    name = {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1", "localhost": "127.0.0.1"}.get(name, name)
    port = parts.port or (None if scheme else OLLAMA_PORT)
    shown = f"[{name}]" if ":" in name else name
    path = parts.path.removesuffix("/v1")
    return f"{parts.scheme}://{shown}{f':{port}' if port else ''}{path}/v1"


async def _look_around(model: str, wishes: Wishes) -> Found:
    bases = await look_around(wishes.ports, wishes.ollama_host)
    offers = await asyncio.gather(*map(_offer, bases))
    for base_url, offer in zip(bases, offers, strict=True):
        if isinstance(offer, ModelError):
            continue
        chosen = _matching(offer, model) if model else _first(offer)
        if chosen:
            here = is_loopback(base_url)
            origin = "found on this machine" if here else "as OLLAMA_HOST says"
            why = f"Using {chosen!r} at {server_name(base_url)}, {origin}."
            found = await _known(base_url, chosen, "", why)
            if (
                not here
            ):  # it has only been asked for its list, but its setting's name tells what it is
                facts = replace(offer, kind="ollama")
                found = replace(found, kind="ollama", facts=facts)
            return replace(found, protocol=wishes.protocol or "chat")
    failed = " ".join(str(offer) for offer in offers if isinstance(offer, ModelError))
    if model:
        names = [m.name for o in offers if isinstance(o, ServerFacts) for m in o.models]
        raise _missing(model, names, failed)
    listed = ", ".join(map(str, wishes.ports))
    return _offline(
        f"no model server with a chat model answers on ports {listed}{failed and f' ({failed})'}"
    )


async def _offer(base_url: str) -> ServerFacts | ModelError:
    try:
        return await examine(base_url, "", "", _LIST_S)
    except ModelError as error:
        return error


async def _listens(port: int) -> bool:
    """Knock at a port of this machine: a bare connect, because mostly nobody is there."""
    host, _ = host_and_port("http://127.0.0.1")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as knock:
        knock.setblocking(False)
        try:
            async with asyncio.timeout(_KNOCK_S):
                await asyncio.get_running_loop().sock_connect(knock, (host, port))
        except (OSError, TimeoutError):
            return False
    return True


def _first(facts: ServerFacts) -> str:
    """Return the first chat model, one that is loaded before one that is not."""
    chat = [one for one in facts.models if is_chat(one)]
    return next((one.name for one in (*(o for o in chat if o.loaded), *chat)), "")


def is_chat(model: ModelFacts) -> bool:
    """Tell whether a model may be one to talk to, by what the server or its name says."""
    return not model.embedding and not any(part in model.name.lower() for part in _NO_CHAT)


def _matching(facts: ServerFacts, model: str) -> str:
    return next((one.name for one in facts.models if is_same(one.name, model)), "")


def is_same(name: str, model: str) -> bool:
    """Tell whether a listed name is the one that is meant: itself, or the same with Ollama's tag."""
    return model in (name, name.removesuffix(":latest"))


def _missing(model: str, names: list[str], failed: str) -> ModelError:
    if names:
        offered = ", ".join(names[:8])
        text = f"No server on this machine offers {model!r}; they offer {offered}."
        return ModelError("refused", text)
    text = f"No model server on this machine for {model!r}; start one or give --base-url. {failed}"
    return ModelError("unreachable", text.rstrip())


def _offline(reason: str) -> Found:
    why = f"Using the built-in offline repairer, because {reason}; --base-url names a model server."
    return Found("", OFFLINE, "", why, "offline")
