#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Turns flannel's subnet.env into options for the Docker daemon. Manual: mk-docker-opts(8).
#
# The file is read, never run: a line that is not NAME=value is none of our business, and nothing
# in a value is expanded.
# shellcheck disable=SC2034  # options are read by their names
set -eu

flannel_env=/run/flannel/subnet.env
docker_env=/run/docker_opts.env
key=DOCKER_OPTS
individual=
combined=
with_ipmasq=yes

usage() {
  cat >&2 <<END
usage: $0 [-f FILE] [-d FILE] [-i] [-c] [-k KEY] [-m]

Writes the options of the Docker daemon that belong to this host's flannel subnet.
  -f FILE  what flanneld wrote ($flannel_env)
  -d FILE  where the options go ($docker_env)
  -i       one variable for each option: DOCKER_OPT_MTU="--mtu=1450"
  -c       one variable with all of them: DOCKER_OPTS=" --bip=... --mtu=..."
  -k KEY   the name of that variable ($key)
  -m       leave --ip-masq out
Without -i and -c: both.
END
  exit 1
}

die() {
  printf '%s: %s\n' "$0" "$*" >&2
  exit 1
}

is_name() {
  case $1 in
    '' | [0-9]* | *[!A-Za-z0-9_]*) return 1 ;;
  esac
}

while getopts f:d:ick:mh option; do
  case $option in
    f) flannel_env=$OPTARG ;;
    d) docker_env=$OPTARG ;;
    i) individual=yes ;;
    c) combined=yes ;;
    k) key=$OPTARG ;;
    m) with_ipmasq= ;;
    *) usage ;;
  esac
done
is_name "$key" || die "-k '$key': not the name of a variable"
[ -n "$individual$combined" ] || individual=yes combined=yes

eval "all=\${$key:-}"

# ---- reading

# Sets `value` to what the right side of an assignment means.
parse_value() {
  value=$1
  case $value in
    \"*) quote='"' ;;
    \'*) quote="'" ;;
    *) quote= ;;
  esac
  if [ -n "$quote" ]; then
    value=${value#?}
    after=${value#*"$quote"}
    [ "$after" != "$value" ] || return 1
    value=${value%%"$quote"*}
  else
    after=${value#"${value%%[[:blank:]]*}"}
    value=${value%%[[:blank:]]*}
  fi
  # Only blanks and a comment may follow.
  rest=${after#"${after%%[![:blank:]]*}"}
  case $rest in
    '') ;;
    \#*) [ "$rest" != "$after" ] || return 1 ;;
    *) return 1 ;;
  esac
  # In the shell these would mean more than they say.
  [ "$quote" = "'" ] && return 0
  case $value in
    *[\$\`\\]*) return 1 ;;
  esac
  [ -n "$quote" ] && return 0
  case $value in
    *[\;\&\|\<\>\(\)\"\']*) return 1 ;;
  esac
}

cr=$(printf '\r')
names=
read_env() {
  number=0
  while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    line=${line%"$cr"}
    line=${line#"${line%%[![:blank:]]*}"}
    case $line in
      'export '*) line=${line#export } ;;
    esac
    name=${line%%=*}
    if [ "$name" = "$line" ] || ! is_name "$name"; then continue; fi
    case $name in
      FLANNEL_SUBNET | FLANNEL_MTU | FLANNEL_IPMASQ | "$key") ;;
      DOCKER_OPT_*) names="$names $name" ;;
      *) continue ;;
    esac
    parse_value "${line#*=}" || die "$flannel_env, line $number: cannot read the value of $name"
    if [ "$name" = "$key" ]; then all=$value; else eval "$name=\$value"; fi
  done
}

if [ -f "$flannel_env" ]; then
  [ -r "$flannel_env" ] || die "cannot read $flannel_env"
  read_env <"$flannel_env"
fi

# ---- what Docker is told

subnet=${FLANNEL_SUBNET:-}
if [ -n "$subnet" ]; then
  case $subnet in
    *[!0-9a-fA-F.:/]*) die "FLANNEL_SUBNET='$subnet': not a subnet" ;;
  esac
  DOCKER_OPT_BIP=--bip=$subnet
fi
if [ -n "$with_ipmasq" ]; then
  case ${FLANNEL_IPMASQ:-} in
    '') ;;
    true) DOCKER_OPT_IPMASQ=--ip-masq=false ;;  # flannel does it, Docker must not
    false) DOCKER_OPT_IPMASQ=--ip-masq=true ;;
    *) die "FLANNEL_IPMASQ='$FLANNEL_IPMASQ': neither true nor false" ;;
  esac
fi
case ${FLANNEL_MTU:-} in
  '') ;;
  *[!0-9]*) die "FLANNEL_MTU='$FLANNEL_MTU': not a number" ;;
  *) DOCKER_OPT_MTU=--mtu=$FLANNEL_MTU ;;
esac

# The base of 10.1.74.1/24 is 10.1.74.0/24; nothing for what is not IPv4.
base_of() {
  (
    IFS=./
    # shellcheck disable=SC2086
    set -- $1
    [ $# = 5 ] || exit 0
    for number in "$@"; do
      case $number in
        '' | *[!0-9]* | ????* | 0?*) exit 0 ;;
      esac
    done
    [ "$5" -le 32 ] || exit 0
    mask=$(((0xffffffff << (32 - $5)) & 0xffffffff))
    base=$(((($1 << 24) | ($2 << 16) | ($3 << 8) | $4) & mask))
    echo "$((base >> 24)).$((base >> 16 & 255)).$((base >> 8 & 255)).$((base & 255))/$5"
  )
}

# A route to our own subnet through somebody else: Docker's bridge would fight with it.
is_routed_elsewhere() {
  ip route show 2>/dev/null | (
    to=
    while IFS= read -r route; do
      case $route in
        [[:blank:]]*) ;;  # a further next hop of the route above
        *) to=${route%% *} ;;
      esac
      case $to/$route in
        "$1"/*" via "*) exit 0 ;;
      esac
    done
    exit 1
  )
}

if [ -n "$subnet" ]; then
  base=$(base_of "$subnet")
  if [ -n "$base" ] && is_routed_elsewhere "$base"; then
    die "Your routing table already contains the subnet: $base"
  fi
fi

# ---- writing

# Inside double quotes, for sh and for systemd's EnvironmentFile= alike.
quoted() {
  printf '%s' "$1" | sed 's/[\\"$`]/\\&/g'
}

# Names only: a value of the environment may look like a line of its own, so each is asked for.
option_names() {
  {
    env | sed -n 's/^\(DOCKER_OPT_[A-Za-z0-9_]*\)=.*/\1/p'
    # shellcheck disable=SC2086
    printf '%s\n' DOCKER_OPT_BIP DOCKER_OPT_IPMASQ DOCKER_OPT_MTU $names
  } | LC_ALL=C sort -u
}

text=
all=${all:+$all }
newline='
'
for name in $(option_names); do
  eval "is_set=\${$name+yes}"
  [ -n "$is_set" ] || continue
  eval "value=\$$name"
  all="$all $value"
  [ -z "$individual" ] || text="$text$name=\"$(quoted "$value")\"$newline"
done
[ -z "$combined" ] || text="$text$key=\"$(quoted "$all")\"$newline"

# A name may begin with "-"; it is no option of the programs below.
case $docker_env in
  /*) ;;
  *) docker_env=./$docker_env ;;
esac
# What is no file (a pipe, /dev/stdout) cannot be replaced, only written to.
if [ -e "$docker_env" ] && ! [ -f "$docker_env" ]; then
  printf '%s' "$text" >"$docker_env" || die "cannot write $docker_env"
  exit 0
fi
[ ! -L "$docker_env" ] || docker_env=$(readlink -f "$docker_env")

folder=${docker_env%/*}/
temporary=$folder.${docker_env##*/}.$$
(set -C && : >"$temporary") || die "cannot write in $folder"
trap 'rm -f "$temporary"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
# Mode and owner of the file stay what they were.
[ ! -e "$docker_env" ] || cp -p "$docker_env" "$temporary"
printf '%s' "$text" >"$temporary" || die "cannot write $temporary"
mv -f "$temporary" "$docker_env" || die "cannot write $docker_env"
