"""Where a model server is: one spelling for every way of writing a base URL."""

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit, urlunsplit

from hob.core.errors import ModelError

_ENDPOINTS = ("/chat/completions", "/messages", "/responses")


def normalise(base_url: str) -> str:
    """Return the base URL with a scheme, with `/v1` for a missing path, without a slash at the end.

    `localhost:8080`, `http://localhost:8080/`, `…/v1` and `…/v1/chat/completions` (or another
    protocol's endpoint) all become `http://localhost:8080/v1`; any other path is kept as it is. Raises
    `ModelError` (refused) for what is no HTTP address.
    """
    text = base_url.strip()
    parts = _split(text if "://" in text else f"http://{text}", base_url)
    path = parts.path.rstrip("/")
    for endpoint in _ENDPOINTS:
        path = path.removesuffix(endpoint).rstrip("/")
    return urlunsplit((parts.scheme, parts.netloc, path or "/v1", "", ""))


def is_loopback(base_url: str) -> bool:
    """Say whether the server is on this machine, so that it needs no proxy and no time limit."""
    host = urlsplit(base_url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def host_and_port(base_url: str) -> tuple[str, int]:
    """Return where to connect, with the scheme's usual port if the URL names none."""
    parts = urlsplit(base_url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def server_name(base_url: str) -> str:
    """Return host and port as people read them, without user names, keys or paths."""
    parts = urlsplit(base_url)
    host = parts.hostname or "?"
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{parts.port}" if parts.port else shown


def _split(text: str, original: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable, parts = False, SplitResult("", "", "", "", "")
    if not usable:
        raise ModelError(
            "refused",
            f"{original!r} is not the address of a model server; "
            "write it like http://localhost:8080/v1.",
        )
    return parts
