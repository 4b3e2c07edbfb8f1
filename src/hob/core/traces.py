"""What results leave behind besides words: files that are known, files that changed, failed commands."""

from hob.core.messages import Details


def seen_after(known: dict[str, str], details: Details) -> dict[str, str]:
    """Return what is known of files after a result; an empty digest means that nothing is any more."""
    news = details.metadata.get("seen")
    if not isinstance(news, dict):
        return known
    known = {**known, **news}
    return {path: digest for path, digest in known.items() if digest}


def changed_after(known: tuple[str, ...], details: Details) -> tuple[str, ...]:
    """Return the changed files after a result, each once, the newest at the end."""
    changes = details.metadata.get("changes")
    if not isinstance(changes, list):
        return known
    paths = [str(one["path"]) for one in changes if isinstance(one, dict) and "path" in one]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return tuple(dict.fromkeys((*(path for path in known if path not in paths), *paths)))


def is_failed_command(details: Details) -> bool:
    """Tell whether a result is that of a command which failed or was stopped."""
    return details.exit_code not in (0, None) or bool(details.metadata.get("timed_out"))
