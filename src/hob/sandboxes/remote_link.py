"""The way to a workspace on another machine: first contact, short scripts, the end."""

import base64
import hashlib
import os
import threading
from collections.abc import Mapping

from hob.sandboxes.environment import sensitive_paths
from hob.sandboxes.process import owner_mark
from hob.sandboxes.remote_api import Api, Completed, RemoteError
from hob.sandboxes.scripts import END, PROGRAMS

_SCRIPT_S = 20.0
_KEPT = "PATH HOME USER LOGNAME SHELL LANG LC_ALL TZ"
_PROGRAMS = (*PROGRAMS, "base64", "head", "tail", "wc", "stat", "find", "readlink", "chmod", "ln")

_HELLO = r"""
cd -P "$1" 2>/dev/null || { echo folder; exit; }
umask 077
mkdir "$2" "$2/calls" "$2/files" || { echo scratch; exit; }
shift 2
for one; do command -v "$one" >/dev/null || { echo "$one"; exit; }; done
echo :
{
  printf '%s\0' "$PWD"
  for one in KEPT; do
    eval "value=\${$one-}"
    [ -z "$value" ] || printf '%s=%s\0' "$one" "$value"
  done
} | base64
""".replace("KEPT", _KEPT)

_CLEAN = r"""
ours=$4 all=$5
END
for one in "$all"*; do [ "$one" = "$ours" ] || rm -rf "$one"; done
"""


class Link:
    """One workspace on the far side. The first script makes contact; blocking, for threads.

    With `orphans` that contact also ends what an earlier sandbox of the same `owner` left behind.
    """

    def __init__(
        self, api: Api, root: str, env: Mapping[str, str], *, owner: str, orphans: bool
    ) -> None:
        unique = os.urandom(8).hex()
        owned = hashlib.sha256(owner.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        self.api = api
        self.root = root
        self.mark = f"{owner_mark(owner)}{unique}-"
        self._folders = f"/tmp/.hob-{owned}-"
        self.scratch = self._folders + unique
        self.protected: tuple[str, ...] = ()
        self._owner = owner
        self._orphans = orphans
        self._env = dict(env)
        self._lock = threading.Lock()
        self._connected = False

    def connect(self) -> None:
        """Make contact, once. Raises `RemoteError`."""
        with self._lock:
            if not self._connected:
                self._connect()
                self._connected = True

    def script(
        self,
        text: str,
        *arguments: str,
        timeout_s: float = _SCRIPT_S,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run a sh script in the workspace and return what it says. Raises `RemoteError`."""
        self.connect()
        command = ["/bin/sh", "-c", text, "hob", *arguments]
        return self.api.execute(
            command, timeout_s=timeout_s, env={**self._env, **(env or {})}, cwd=self.root
        )

    def end(self, token: str, leader: str) -> None:
        """Kill what carries a token, unasked. Raises `RemoteError` if some of it is still there."""
        left = self.script(END, token, leader, "at-once").stdout.strip()
        if left != "0":
            raise RemoteError(f"{left or 'some'} processes on {self.api.url!r} would not die")

    def close(self) -> None:
        """End everything of ours over there, with the scratch folder. Raises `RemoteError`."""
        with self._lock:
            connected, self._connected = self._connected, False
        if connected:
            script = f'scratch=$4\n{END}\nrm -rf "$scratch"'
            command = ["/bin/sh", "-c", script, "hob", self.mark, "", "at-once", self.scratch]
            self.api.execute(command, timeout_s=_SCRIPT_S)
        self.api.close()

    def _connect(self) -> None:
        command = ["/bin/sh", "-c", _HELLO, "hob", self.root, self.scratch, *_PROGRAMS]
        said, _, rest = self.api.execute(command, timeout_s=_SCRIPT_S).stdout.partition("\n")
        if said == "folder":
            raise RemoteError(
                f"there is no folder {self.root!r} on {self.api.url!r}; name one with --cd, as the "
                "far side calls it"
            )
        if said != ":":
            raise RemoteError(
                f"{self.api.url!r} cannot be worked on: {said or 'no shell'!r} is missing or not usable"
            )
        root, *variables = base64.b64decode(rest).decode("utf-8", "replace").split("\0")[:-1]
        self.root = root
        far = dict(one.split("=", 1) for one in variables)
        self._env = {**far, **self._env}
        self.protected = sensitive_paths(far.get("HOME", ""), "")
        if self._orphans and self._owner:
            script = _CLEAN.replace("END", END)
            command = ["/bin/sh", "-c", script, "hob", owner_mark(self._owner), "", "at-once"]
            self.api.execute([*command, self.scratch, self._folders], timeout_s=_SCRIPT_S)
