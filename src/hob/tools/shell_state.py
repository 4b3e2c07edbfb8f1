"""What a shell remembers from command to command: a fresh bash each time, its state in private files.

Before a command the state is restored, after it (normal end, `exit`, `set -e`) saved: directory, variables,
functions, aliases, umask, options. The state never passes through output. It is written into a slot
that is not in use and counts only when its small second file says that it is complete, so a killed
command leaves the state as it was.
"""

import string

from msgspec import Struct

from hob.core.ports import FileError, Sandbox
from hob.tools.outputs import Outputs
from hob.tools.settings import Settings

_INSTALL_S = 10
_MAX_DONE = 70_000
_BASH = ("bash", "--noprofile", "--norc", "-c")

# Every variable's name, without a subshell to capture a listing in.
_NAMES = " ".join(f'"${{!{letter}@}}"' for letter in f"_{string.ascii_letters}")

# Bash's own that need not be restored, which is what costs most: one line each. Those that a command's
# EXIT trap may want to read are not among them, for it runs after ours.
_OWN = (
    "BASH BASHPID BASH_ALIASES BASH_ARGC BASH_ARGV BASH_ARGV0 BASH_CMDS BASH_EXECUTION_STRING "
    "BASH_LINENO BASH_LOADABLES_PATH BASH_VERSION COMP_WORDBREAKS GROUPS "
    "HISTCMD HOSTTYPE MACHTYPE OSTYPE SRANDOM"
)

# Runs without output, in whatever state a command left the shell: any function may be called like a
# builtin, any option may be set. The variables are written as they are; what does not bear it is mended
# in _BEGIN. Bash parses this after every command, so it is short, and what is rare is in _RARE. A slot is
# written over, not truncated, which some file systems make wait for the disk: its end is marked.
_SAVE = rf"""
__hob_status=$?
builtin trap - DEBUG ERR RETURN
if [[ $BASH_SUBSHELL == 0 && -n ${{__hob_save-}} ]]; then
__hob_o=$SHELLOPTS/$BASHOPTS
builtin set +euxvf +o posix
builtin shopt -u nocasematch extdebug
builtin local && __hob_locals=:
[[ $__hob_o != "$__hob_o0" ]] || builtin unset -v __hob_o __hob_o0
[[ -z ${{__hob_trap-}} ]] || builtin unset -f trap
builtin unset -v __hob_run __hob_save __hob_env {_OWN}
[[ ! -r /proc/$$/environ ]] || builtin mapfile -d '' -t __hob_env </proc/$$/environ
{{
for __hob_n in "${{__hob_env[@]%%=*}}"; do
  [[ -v $__hob_n || ! $__hob_n =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] || builtin printf 'builtin unset -v %s\n' "$__hob_n"
done
builtin unset -v __hob_env __hob_n
if [[ -n ${{__hob_locals-}} ]]; then builtin . "${{__hob_into%/*}}/rare" locals; else builtin declare -p; fi
IFS=:
builtin printf '__hob_lost=\nbuiltin cd -- %q || __hob_gone "$8"\n' "$PWD"
[[ ! -v OLDPWD ]] || builtin printf 'OLDPWD=%q\n' "$OLDPWD"
((${{#DIRSTACK[@]}} < 2)) || builtin . "${{__hob_into%/*}}/rare" stack
builtin umask -p
builtin alias -p
builtin declare -f
builtin declare -Fx
[[ -z ${{__hob_o-}} ]] || builtin . "${{__hob_into%/*}}/rare" options
builtin printf '__hob_ok=1\nbuiltin return\n'
}} 1<>"$__hob_into" &&
  builtin printf '%s\0%s\0%s\0%s\0' "$__hob_number" "${{__hob_lost-}}" "$PWD" "$__hob_number" \
    1<>"$__hob_into.done"
fi
"""

# `exit` in a function leaves its local variables visible: they are not the shell's. An EXIT trap of the
# command's own is put behind ours.
_RARE = rf"""
case $1 in
locals)
  builtin local 1<>"$__hob_into.local"
  while IFS= builtin read -r __hob_n; do
    __hob_n=${{__hob_n#declare -* }}
    __hob_locals+=${{__hob_n%%=*}}:
  done <"$__hob_into.local"
  for __hob_n in {_NAMES}; do
    [[ $__hob_locals == *:$__hob_n:* ]] || builtin declare -p "$__hob_n"
  done
  ;;
stack)
  for ((__hob_n=${{#DIRSTACK[@]}}-1; __hob_n>0; __hob_n--)); do
    builtin printf 'builtin pushd -n -- %q\n' "${{DIRSTACK[__hob_n]/#\~/$HOME}}"
  done
  ;;
options)
  for __hob_n in ${{__hob_o#*/}}; do
    [[ :${{__hob_o0#*/}}: == *:$__hob_n:* ]] || builtin printf 'builtin shopt -s %s\n' "$__hob_n"
  done
  for __hob_n in ${{__hob_o0#*/}}; do
    [[ :${{__hob_o#*/}}: == *:$__hob_n:* ]] || builtin printf 'builtin shopt -u %s\n' "$__hob_n"
  done
  for __hob_n in ${{__hob_o%/*}}; do case $__hob_n in errexit|nounset|noexec|xtrace|verbose|onecmd) ;;
    *) [[ :${{__hob_o0%/*}}: == *:$__hob_n:* ]] || builtin printf 'builtin set -o %s\n' "$__hob_n" ;; esac
  done
  for __hob_n in ${{__hob_o0%/*}}; do
    [[ :${{__hob_o%/*}}: == *:$__hob_n:* ]] || builtin printf 'builtin set +o %s\n' "$__hob_n"
  done
  ;;
trap)
  __hob_trap=1
  trap() {{
    builtin trap "$@"
    local __hob_s=$? __hob_c
    if [[ $BASH_SUBSHELL == 0 ]]; then
      __hob_c=$(builtin trap -p EXIT)
      if [[ $__hob_c != *__hob_save* ]]; then
        __hob_c=${{__hob_c#trap -- }}
        builtin eval "__hob_c=${{__hob_c% EXIT}}"
        builtin trap -- "{{ builtin eval \"\${{__hob_save-}}\"; }} &>/dev/null
(builtin exit \$__hob_status); $__hob_c" EXIT
      fi
    fi
    return $__hob_s
  }}
  ;;
esac
"""

# Sourced first, with the folder, the command, the state to restore (or nothing), the file to save into
# and the number of the command as parameters.
_BEGIN = rf"""
builtin set -- "$@" "$SHELLOPTS/$BASHOPTS" "${{HOB_CALL-}}" "$PWD"
if [[ -n $3 ]]; then
  __hob_lost=
  __hob_gone() {{ __hob_lost=folder; builtin cd -- "$1"; }}
  . "$3" &>/dev/null
  builtin unset -f __hob_gone
  [[ -n ${{__hob_ok-}} ]] || __hob_lost=state
  RANDOM=${{SRANDOM-$$}}
  HOB_CALL=$7
fi
__hob_run=$2 __hob_into=$4 __hob_number=$5 __hob_o0=$6
[[ -n ${{__hob_lost-}} ]] || builtin unset -v __hob_lost
__hob_save='{_SAVE.replace("'", chr(39) + chr(92) + chr(39) + chr(39))}'
builtin unset -v __hob_trap __hob_ok __hob_locals __hob_status
if [[ -n $__hob_into ]]; then
  builtin trap '{{ builtin eval "${{__hob_save-}}"; }} &>/dev/null' EXIT
  [[ $__hob_run != *trap*EXIT* ]] || builtin declare -F trap >/dev/null || . "$1/rare" trap
fi
builtin set --
"""

# The command stands on the first line, so that bash's own messages count its lines from 1.
_RUN = (
    '. "$1/shell" || builtin exit 126; builtin eval "$__hob_run"; '
    '{ builtin eval "${__hob_save-}"; } &>/dev/null; builtin exit $__hob_status'
)
_ASIDE = '(builtin trap \'builtin printf "\\n[exit code %s]\\n" "$?"\' EXIT; builtin eval "$__hob_run") &'
_START = f'. "$1/shell" || builtin exit 126; {_ASIDE}'
_ONLY = '. "$1/shell" || builtin exit 126; builtin eval "$__hob_run"'


class Turn(Struct, frozen=True):
    """One command: its argument vector, the slots that it reads and writes, its number."""

    argv: list[str]
    source: int | None = None
    into: int | None = None
    number: int = 0


class Shell:
    """The memory of a session's shell. Commands may overlap; the one that ends last is remembered."""

    def __init__(self, sandbox: Sandbox, settings: Settings, outputs: Outputs) -> None:
        self.sandbox, self.settings, self.outputs = sandbox, settings, outputs
        self.cwd = ""  # "": the workspace
        self._current: int | None = None
        self._busy: list[int] = []
        self._number = 0
        self._folder = ""

    async def begin(self, command: str, *, background: bool = False) -> Turn:
        """Return how to run a command in the remembered state. Raises `FileError`.

        Unless it goes to the background, what it does to the state is there to be remembered.
        """
        if self.settings.stateless_shell:
            if background:
                return Turn([*_BASH, f"__hob_run=$1; {_ASIDE}", "bash", command])
            return Turn([*_BASH, command])
        if background:
            return await self.aside(_START, command)
        await self._install()
        self._number += 1
        source = self._current
        into = next(n for n in range(len(self._busy) + 2) if n != source and n not in self._busy)
        self._busy += [into] if source is None else [source, into]
        argv = [*self._argv(_RUN, command), f"{self._folder}/{into}", str(self._number)]
        return Turn(argv, source, into, self._number)

    async def aside(self, script: str, command: str) -> Turn:
        """Return how to run a command in the remembered state without remembering what it does."""
        await self._install()
        if self._current is not None:
            self._busy.append(self._current)
        return Turn([*self._argv(script, command), "", ""], self._current)

    async def interactive(self, command: str) -> Turn:
        """Return how to start a program in the remembered state, in a terminal."""
        if self.settings.stateless_shell:
            return Turn([*_BASH, command])
        return await self.aside(_ONLY, command)

    def release(self, turn: Turn) -> None:
        """Let the slots of a command go."""
        for slot in (turn.source, turn.into):
            if slot is not None:
                self._busy.remove(slot)

    async def remember(self, turn: Turn) -> str:
        """Take on the state that a command left; return a note for the model, "" if all is well."""
        data = await self._read(f"{self._folder}/{turn.into}.done")
        number, _, rest = data.decode("utf-8", "surrogateescape").partition("\0")
        lost, cwd, again, *_ = (*rest.split("\0"), "", "", "")
        if not number == again == str(turn.number):
            if not await self._read(f"{self._folder}/shell"):
                self._folder = ""
                return "the shell's private folder was emptied; its state is lost"
            return "the shell was replaced or killed; its state is as before this command"
        self._current = turn.into
        before, self.cwd = self.cwd, "" if cwd == self.sandbox.root else cwd
        if lost == "folder":
            return f"{before!r} is gone; the shell started in the workspace"
        return "the shell's earlier state was lost" if lost else ""

    def _argv(self, script: str, command: str) -> list[str]:
        source = "" if self._current is None else f"{self._folder}/{self._current}"
        return [*_BASH, script, "bash", self._folder, command, source]

    async def _install(self) -> None:
        """Put the script into the sandbox's private folder, once."""
        if self._folder == self.sandbox.scratch:
            return
        self._current, self.cwd, self._busy = None, "", []
        script = 'builtin printf %s "$2" >|"$1/shell" && builtin printf %s "$3" >|"$1/rare"'
        argv = [*_BASH, script, "bash", self.sandbox.scratch, _BEGIN, _RARE]
        result = await self.sandbox.exec(argv, timeout_s=_INSTALL_S)
        if result.exit_code != 0:
            raise FileError(f"the shell cannot be prepared: {result.stderr.strip()}")
        self._folder = self.sandbox.scratch

    async def _read(self, path: str) -> bytes:
        try:
            return self.sandbox.read(path, _MAX_DONE)
        except FileError:
            result = await self.sandbox.exec(
                ["cat", path], timeout_s=_INSTALL_S, max_bytes=_MAX_DONE
            )
            return (
                result.stdout.encode("utf-8", "surrogateescape") if result.exit_code == 0 else b""
            )
