r"""POSIX sh programs for places that we reach only through a shell: run a command, end its tree.

They need sh, setsid, mkfifo, cat, sleep, grep -z and a Linux /proc: GNU or busybox tools.
"""

MARKER = "HOB_CALL"  # the variable that holds the token of the call a process is part of

# What has to be there before anything is started.
PROGRAMS = ("setsid", "mkfifo", "cat", "sleep", "grep", "mkdir", "rm", "mv")

# RUN folder token program...
#
# The command is the leader of its own session and the only one that carries the token. Its streams
# are FIFOs, so that a background process that keeps them open holds up nobody: a moment after the
# command's end the readers are exchanged for some that throw everything away. (As regular files they
# would be cut by every `echo x >/dev/stderr`.) The exit code is the command's, as a shell tells it.
RUN = r"""
d=$1 token=$2; shift 2
mkdir "$d" && mkfifo "$d/out" "$d/err" || exit 126
cat <"$d/out" & out=$!
cat <"$d/err" >&2 & err=$!
HOB_CALL=$token setsid sh -c '
echo $$ >"$1/pid"; shift
if ! command -v "$1" >/dev/null 2>&1 && ! [ -e "$1" ]; then
  printf "%s: command not found\n" "$1" >&2; exit 127
fi
exec "$@"' sh "$d" "$@" </dev/null >"$d/out" 2>"$d/err" & leader=$!
wait "$leader" 2>/dev/null; code=$?
{
  sleep 0.1
  if kill -0 "$out"; then exec 3<"$d/out"; cat <&3 & kill "$out"; fi
  if kill -0 "$err"; then exec 4<"$d/err"; cat <&4 & kill "$err"; fi
} </dev/null >/dev/null 2>&1 & late=$!
wait "$out" "$err" 2>/dev/null
kill "$late" 2>/dev/null; wait "$late" 2>/dev/null
rm -rf "$d"
exit "$code"
"""

# SIT folder program...: become a program that has a terminal, so that its tree can be ended.
SIT = r"""
mkdir "$1" && echo $$ >"$1/pid" || exit 126
shift
exec "$@"
"""

# ASK signal folder: send a signal to the process group of a command; print its leader.
ASK = r"""
{ read -r leader <"$2/pid"; } 2>/dev/null || exit 0
kill "-$1" "-$leader" 2>/dev/null
echo "$leader"
"""

# END token [folder|leader [at-once]]
#
# Kills everything that carries the token (or one that starts so), the session of the command whose
# folder or leader it is, and their descendants; unless `at-once`, a command is asked first. All are
# stopped before they are killed, by process group too, so that nothing forks in between. Prints how many
# are left.
END = r"""
mark=HOB_CALL=$1 leader=$2 haste=$3
case $2 in */*) leader=; { read -r leader <"$2/pid"; } 2>/dev/null ;; esac
read -r line </proc/$$/stat; set -- ${line##*) }; own=$3
nl='
'
ask() {
  kill "-$1" "-$leader" 2>/dev/null
  n=0
  while [ "$n" -lt "$2" ] && kill -0 "-$leader" 2>/dev/null; do sleep 0.05; n=$((n + 1)); done
}
look() {
  signal=$1 found=' ' table=
  marked=$nl$(grep -zslF -e "$mark" /proc/[0-9]*/environ)$nl
  for entry in /proc/[0-9]*; do
    { read -r line <"$entry/stat"; } 2>/dev/null || continue
    pid=${entry#/proc/}
    set -- ${line##*) }
    case $1 in Z | X) [ "${18:-1}" -gt 1 ] || continue ;; esac
    [ "$pid" = $$ ] && continue
    table="$table $pid:$2"
    case "$marked" in
      *"$nl$entry/environ$nl"*) ;;
      *) case " $pid $3 $4 " in *" ${leader:-none} "*) ;; *) continue ;; esac ;;
    esac
    found="$found$pid "
    kill "-$signal" "$pid" 2>/dev/null
    [ "$3" = "$own" ] || kill "-$signal" "-$3" 2>/dev/null
  done
  grown=yes
  while [ "$grown" ]; do
    grown=
    for one in $table; do
      case $found in *" ${one%%:*} "*) continue ;; esac
      case $found in
        *" ${one#*:} "*) found="$found${one%%:*} " grown=yes; kill "-$signal" "${one%%:*}" 2>/dev/null ;;
      esac
    done
  done
}
if [ -n "$leader" ] && [ -z "$haste" ]; then ask INT 6; ask TERM 10; fi
rounds=0
while :; do
  looks=0 before=
  look STOP
  while [ "$found" != "$before" ] && [ "$looks" -lt 8 ]; do
    before=$found looks=$((looks + 1)); look STOP
  done
  [ "$found" = ' ' ] && break
  look KILL
  rounds=$((rounds + 1))
  [ "$rounds" -ge 20 ] && break
  sleep 0.02
done
set -- $found
echo $#
"""
