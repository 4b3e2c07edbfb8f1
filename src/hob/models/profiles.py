"""Profiles on disk: one small file for each model on each server, written by the doctor."""

import hashlib
import os
import re
import tempfile
from pathlib import Path

import msgspec
from msgspec import Struct

from hob.models.profile import Profile


class Kept(Struct, frozen=True):
    """A profile as it was found. `word` is a sentence for the person: why it is not used, or may be out of date."""

    profile: Profile = Profile()
    word: str = ""
    stale: bool = False


def load(folder: Path, base_url: str, model: str, version: str = "") -> Kept:
    """Return what is known of a model on a server; the defaults if nobody has examined it.

    `base_url` is normalised. `version` is what the server says of itself now (empty: not asked); a
    profile of another version is marked stale. Never raises: a broken file counts as none.
    """
    path = path_of(folder, base_url, model)
    try:
        profile = msgspec.json.decode(path.read_bytes(), type=Profile)
    except FileNotFoundError:
        return Kept()
    except (OSError, msgspec.MsgspecError, UnicodeError, RecursionError):
        return Kept(
            word=f"The profile {str(path)!r} cannot be read and is ignored; run `hob doctor`."
        )
    if (profile.base_url, profile.model) != (base_url, model):
        return Kept(word=f"The profile {str(path)!r} is of another model; run `hob doctor`.")
    if version and version != profile.version:
        text = (
            f"The server is {version!r} and was examined as {profile.version!r}; run `hob doctor`."
        )
        return Kept(profile, text, stale=True)
    return Kept(profile)


def save(folder: Path, profile: Profile) -> Path:
    """Write a profile, whole or not at all, and return its file. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = path_of(folder, profile.base_url, profile.model)
    content = msgspec.json.format(msgspec.json.encode(profile), indent=2)
    handle, name = tempfile.mkstemp(dir=folder, prefix=".profile-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content + b"\n")
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def path_of(folder: Path, base_url: str, model: str) -> Path:
    """Return the file of a profile: readable, and different for every pair of server and model."""
    shown = re.sub(r"[^A-Za-z0-9._-]+", "-", model).strip("-.")[:60] or "model"
    digest = hashlib.blake2b(f"{base_url}\0{model}".encode("utf-8", "replace"), digest_size=6)
    return folder / f"{shown}-{digest.hexdigest()}.json"
