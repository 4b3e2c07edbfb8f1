r"""The sh program behind the file operations on another machine (GNU or busybox tools)."""

# FILES root protected what how first second component...
#
# The program walks with `cd -P ./name` and asks after each step where it is (`pwd` comes from the
# kernel), so a link that is swapped in meanwhile leads to a refusal and not outside. The last name is
# used from inside its folder. Its first line of output is `ok` or one word for what is wrong.
FILES = r"""
set -f
root=$1 kept=$2 what=$3 how=$4 first=$5 second=$6 which=; shift 6
nl='
'
case $how in *follow*) follow=yes ;; *) follow= ;; esac
case $how in *change*) change=yes ;; *) change= ;; esac
case $how in *make*) make=yes ;; *) make= ;; esac
case $how in *whole*) whole=yes ;; *) whole= ;; esac

fail() { echo "$which$1"; exit 1; }
absent() { echo "${which}absent $1"; ls -A | head -c 60000 | base64; exit 1; }
guard() {
  if [ "$change" ]; then
    case "${1#"$root"}/" in */.[gG][iI][tT]/*) fail git ;; esac
  fi
  before=$IFS; IFS=$nl
  for one in $kept; do
    case "$1/" in "$one"/*) fail kept ;; esac
    [ -z "$whole" ] || case "$one/" in "$1"/*) fail kept ;; esac
  done
  IFS=$before
}
enter() {
  cd -P "$1" 2>/dev/null || fail denied
  case "$PWD/" in "$root"/*) ;; *) fail outside ;; esac
  before_whole=$whole; whole=; guard "$PWD"; whole=$before_whole
}
place() {
  cd -P "$root" 2>/dev/null || fail gone
  while [ "$#" -gt 1 ]; do
    if [ ! -d "./$1" ]; then
      if [ -e "./$1" ] || [ -L "./$1" ]; then
        case $(readlink -f -- "./$1") in "$root"/*) ;; *) fail outside ;; esac
        fail below
      fi
      [ "$make" ] || absent "$#"
      guard "$PWD/$1"
      mkdir -- "./$1" 2>/dev/null || [ -d "./$1" ] || fail denied
    fi
    enter "./$1"
    shift
  done
  name=${1:-.}
  hops=0
  while [ "$follow" ] && [ -L "./$name" ]; do
    guard "$PWD/$name"
    hops=$((hops + 1))
    [ "$hops" -le 40 ] || fail loop
    if [ -d "./$name" ]; then enter "./$name"; name=.; break; fi
    target=$(readlink -- "./$name" && echo x); target=${target%??}
    case $target in
      */*)
        [ -d "${target%/*}/" ] || absent 1
        case $target in /*) enter "${target%/*}/" ;; *) enter "./${target%/*}" ;; esac ;;
    esac
    name=${target##*/}
    [ "$name" ] || name=.
    [ "$name" != .. ] || fail outside
  done
  if [ "$name" = . ]; then guard "$PWD"; else guard "$PWD/$name"; fi
}
there() { [ -e "./$name" ] || [ -L "./$name" ]; }
regular() {
  if [ -d "./$name" ]; then fail dir; fi
  if [ -f "./$name" ]; then return; fi
  if [ -p "./$name" ]; then fail fifo; fi
  if [ -S "./$name" ]; then fail socket; fi
  if there; then fail device; fi
  [ "$1" = may ] || absent 1
}
case $what in
read)
  place "$@"; regular must
  [ -r "./$name" ] || fail denied
  echo ok
  tail -c "+$first" <"./$name" | head -c "$second" | base64 ;;
list)
  place "$@"
  if [ ! -d "./$name" ]; then there && fail notdir; absent 1; fi
  [ "$name" = . ] || enter "./$name"
  [ -r . ] || fail denied
  echo ok
  find . ! -name . -prune -exec sh -c '
    tries=0
    while :; do
      facts=$(stat -c "%f %s %h" -- "$@" 2>/dev/null)
      [ "$(printf "%s\n" "$facts" | wc -l)" -eq "$#" ] && break
      tries=$((tries + 1))
      for one; do shift; if [ -e "$one" ] || [ -L "$one" ]; then set -- "$@" "$one"; fi; done
      [ "$#" -gt 0 ] && [ "$tries" -lt 9 ] || exit 0
    done
    printf "%s" "$1"; shift
    for one; do printf "\0%s" "$one"; done
    printf "\0\0%s\0\0" "$facts"' sh {} + | base64 ;;
stat)
  place "$@"
  there || absent 1
  facts=$(stat -c '%f %s %h' -- "./$name") || exit 1
  printf 'ok\n%s\n' "$facts" ;;
may)
  place "$@"; regular may; echo ok ;;
write)
  place "$@"; regular may
  new="./$first"
  mask=$(umask); umask 077
  trap 'rm -f "$new"' EXIT
  set -C
  case $second in
    -*) printf %s "${second#-}" | base64 -d >"$new" || exit 1 ;;
    *) cat <"$second" >"$new" || exit 1; rm -f "$second" ;;
  esac
  if [ -e "./$name" ]; then
    chown "$(stat -c %u:%g -- "./$name")" "$new" 2>/dev/null
    chmod "$(stat -c %a -- "./$name")" "$new" || exit 1
  else
    chmod "$(printf %o "$((0666 & ~$mask))")" "$new" || exit 1
  fi
  sync "$new" 2>/dev/null
  mv -fT "$new" "./$name" || exit 1
  trap - EXIT
  echo ok ;;
move)
  if [ "$first" -eq 0 ] || [ "$#" -eq "$first" ]; then fail self; fi
  old= count=0
  for one; do
    count=$((count + 1))
    shift
    if [ "$count" -gt "$first" ]; then set -- "$@" "$one"; else old="$old/$one"; fi
  done
  usual=$IFS
  place_old() { IFS=/; set -- ${old#/}; IFS=$usual; place "$@"; }
  which='source '; place_old
  there || absent 1
  from=$PWD/$name which=
  make=yes; place "$@"
  there && fail exists
  if [ -d "$from" ] && [ ! -L "$from" ]; then
    mkdir "./$name" || fail exists
    mv -T "$from" "./$name" || { rmdir "./$name"; exit 1; }
  elif ln -T "$from" "./$name" 2>/dev/null; then
    rm -f -- "$from"
  elif there; then
    fail exists
  else
    mv -T "$from" "./$name" || exit 1
  fi
  echo ok ;;
delete)
  place "$@"
  there || absent 1
  [ "$name" != . ] || fail self
  if [ -d "./$name" ] && [ ! -L "./$name" ]; then
    rmdir "./$name" 2>/dev/null || fail notempty
  else
    rm -f -- "./$name" || exit 1
  fi
  echo ok ;;
esac
"""
