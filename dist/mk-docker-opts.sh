#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Turns flannel's subnet.env into options for the Docker daemon. Manual: mk-docker-opts(8).
#
# The file is parsed and never executed: a line that is not NAME=value is ignored, and values are
# not expanded.
# shellcheck disable=SC2034  # options are read by their names
set -eu

flannel_env=/run/flannel/subnet.env
docker_env=/run/docker_opts.env
key=DOCKER_OPTS
individual=
combined=
with_ipmasq=yes
with_ipv6=

usage() {
  cat >&2 <<END
usage: $0 [-f FILE] [-d FILE] [-i] [-c] [-k KEY] [-m] [-6]

Writes the options of the Docker daemon that belong to this host's flannel subnet.
  -f FILE  what flanneld wrote ($flannel_env)
  -d FILE  where the options go ($docker_env)
  -i       one variable for each option: DOCKER_OPT_MTU="--mtu=1450"
  -c       one variable with all of them: DOCKER_OPTS=" --bip=... --mtu=..."
  -k KEY   the name of that variable ($key)
  -m       leave --ip-masq out
  -6       add the options for the IPv6 subnet, if there is one
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

while getopts f:d:ick:m6h option; do
  case $option in
    f) flannel_env=$OPTARG ;;
    d) docker_env=$OPTARG ;;
    i) individual=yes ;;
    c) combined=yes ;;
    k) key=$OPTARG ;;
    m) with_ipmasq= ;;
    6) with_ipv6=yes ;;
    *) usage ;;
  esac
done
is_name "$key" || die "-k '$key': not the name of a variable"
[ -n "$individual$combined" ] || individual=yes combined=yes

eval "all=\${$key:-}"

# ---- reading

# Sets `value` to the value of the right side of an assignment.
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
  # The shell would expand these characters.
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
from_file=
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
      FLANNEL_NETWORK | FLANNEL_SUBNET | FLANNEL_MTU | FLANNEL_IPMASQ | "$key") ;;
      FLANNEL_IPV6_SUBNET) [ -n "$with_ipv6" ] || continue ;;
      DOCKER_OPT_*) names="$names $name" ;;
      *) continue ;;
    esac
    parse_value "${line#*=}" || die "$flannel_env, line $number: cannot read the value of $name"
    from_file="$from_file $name "
    if [ "$name" = "$key" ]; then all=$value; else eval "$name=\$value"; fi
  done
}

if [ -f "$flannel_env" ]; then
  [ -r "$flannel_env" ] || die "cannot read $flannel_env"
  read_env <"$flannel_env"
fi

# ---- the options

# refuse NAME WHY: ends with an error about the value of that variable.
refuse() {
  case $from_file in
    *" $1 "*) origin=$flannel_env ;;
    *) origin='the environment' ;;
  esac
  eval "value=\$$1"
  die "$origin: $1='$value': $2"
}

# Prints the base of a network, 10.1.74.0/24 for 10.1.74.1/24; prints nothing if it is not IPv4.
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
      [ "$number" -le 255 ] || exit 0
    done
    [ "$5" -le 32 ] || exit 0
    mask=$(((0xffffffff << (32 - $5)) & 0xffffffff))
    base=$(((($1 << 24) | ($2 << 16) | ($3 << 8) | $4) & mask))
    echo "$((base >> 24)).$((base >> 16 & 255)).$((base >> 8 & 255)).$((base & 255))/$5"
  )
}

# lies_in ADDRESS/LENGTH LIST: it lies in one of the networks of the list, which has commas.
lies_in() {
  (
    address=${1%/*}
    length=${1#*/}
    IFS=,
    for network in $2; do
      [ "${network#*/}" -le "$length" ] || continue
      [ "$(base_of "$address/${network#*/}")" != "$(base_of "$network")" ] || exit 0
    done
    exit 1
  )
}

# are_networks LIST: each of them is an IPv4 network.
are_networks() {
  (
    IFS=,
    for network in $1; do
      [ -n "$(base_of "$network")" ] || exit 1
    done
  )
}

# is_ipv6_subnet ADDRESS/LENGTH
is_ipv6_subnet() (
  address=${1%/*}
  length=${1##*/}
  case $1 in
    *:*/*) ;;
    *) exit 1 ;;
  esac
  case $length in
    '' | *[!0-9]* | ????* | 0?*) exit 1 ;;
  esac
  [ "$length" -le 128 ] || exit 1
  case $address in
    *[!0-9a-fA-F:]* | *:::* | *::*::* | :[!:]* | *[!:]:) exit 1 ;;
  esac
  groups=0
  IFS=:
  for group in $address; do
    case $group in
      '') continue ;;
      ?????*) exit 1 ;;
    esac
    groups=$((groups + 1))
  done
  case $address in
    *::*) [ "$groups" -le 7 ] ;;
    *) [ "$groups" = 8 ] ;;
  esac
)

subnet=${FLANNEL_SUBNET:-}
if [ -n "$subnet" ]; then
  base=$(base_of "$subnet")
  [ -n "$base" ] || refuse FLANNEL_SUBNET 'not an IPv4 address with a length, like 10.1.74.1/24'
  DOCKER_OPT_BIP=--bip=$subnet
fi
network=${FLANNEL_NETWORK:-}
if [ -n "$network" ]; then
  are_networks "$network" || refuse FLANNEL_NETWORK 'not an IPv4 network, like 10.1.0.0/16'
  if [ -n "$subnet" ]; then
    lies_in "$subnet" "$network" || refuse FLANNEL_SUBNET "not in FLANNEL_NETWORK='$network'"
  fi
fi
if [ -n "$with_ipmasq" ]; then
  case ${FLANNEL_IPMASQ:-} in
    '') ;;
    true) DOCKER_OPT_IPMASQ=--ip-masq=false ;;  # flanneld masquerades, so Docker must not
    false) DOCKER_OPT_IPMASQ=--ip-masq=true ;;
    *) refuse FLANNEL_IPMASQ 'neither true nor false' ;;
  esac
fi
if [ -n "$with_ipv6" ] && [ -n "${FLANNEL_IPV6_SUBNET:-}" ]; then
  is_ipv6_subnet "$FLANNEL_IPV6_SUBNET" ||
    refuse FLANNEL_IPV6_SUBNET 'not an IPv6 address with a length, like fd00:1:0:74::1/64'
  DOCKER_OPT_IPV6=--ipv6
  # The bridge gets the first address of the subnet, which is the one that flanneld wrote.
  DOCKER_OPT_FIXED_CIDR_V6=--fixed-cidr-v6=$FLANNEL_IPV6_SUBNET
  # Before release 27 Docker masquerades IPv6 only with both of these.
  if [ "${DOCKER_OPT_IPMASQ:-}" = --ip-masq=true ]; then
    DOCKER_OPT_EXPERIMENTAL=--experimental
    DOCKER_OPT_IP6TABLES=--ip6tables
  fi
fi
# Docker would read a leading zero as octal.
case ${FLANNEL_MTU:-} in
  '') ;;
  *[!0-9]* | 0* | ??????*) refuse FLANNEL_MTU 'not a number from 68 to 65535' ;;
  *)
    if [ "$FLANNEL_MTU" -lt 68 ] || [ "$FLANNEL_MTU" -gt 65535 ]; then
      refuse FLANNEL_MTU 'not a number from 68 to 65535'
    fi
    DOCKER_OPT_MTU=--mtu=$FLANNEL_MTU
    ;;
esac

# A route leads our own subnet to another host, and would conflict with Docker's bridge.
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

if [ -n "$subnet" ] && is_routed_elsewhere "$base"; then
  die "Your routing table already contains the subnet: $base"
fi

# ---- writing

# Escapes a text for double quotes, for sh and for systemd's EnvironmentFile= alike.
quoted() {
  printf '%s' "$1" | sed 's/[\\"$`]/\\&/g'
}

ipv6_names='DOCKER_OPT_EXPERIMENTAL DOCKER_OPT_FIXED_CIDR_V6 DOCKER_OPT_IP6TABLES DOCKER_OPT_IPV6'

# Prints names only: a value of the environment may contain newlines, so each is read by its name.
option_names() {
  {
    env | sed -n 's/^\(DOCKER_OPT_[A-Za-z0-9_]*\)=.*/\1/p'
    # shellcheck disable=SC2086
    printf '%s\n' DOCKER_OPT_BIP DOCKER_OPT_IPMASQ DOCKER_OPT_MTU $ipv6_names $names
  } | LC_ALL=C sort -u
}

# The word is from the old value, an earlier run wrote it, and this run writes it anew.
is_old_output() {
  case $1 in
    --bip=*[!0-9a-fA-F.:/]* | --fixed-cidr-v6=*[!0-9a-fA-F:/]* | --mtu=*[!0-9]*) return 1 ;;
    --bip=?*) [ -n "${DOCKER_OPT_BIP:-}" ] ;;
    --mtu=?*) [ -n "${DOCKER_OPT_MTU:-}" ] ;;
    --ip-masq=true | --ip-masq=false) [ -n "${DOCKER_OPT_IPMASQ:-}" ] ;;
    --fixed-cidr-v6=?*) [ -n "${DOCKER_OPT_FIXED_CIDR_V6:-}" ] ;;
    --ipv6) [ -n "${DOCKER_OPT_IPV6:-}" ] ;;
    --experimental) [ -n "${DOCKER_OPT_EXPERIMENTAL:-}" ] ;;
    --ip6tables) [ -n "${DOCKER_OPT_IP6TABLES:-}" ] ;;
    *) return 1 ;;
  esac
}

# Removes the words of is_old_output from `all`; the blanks between the others stay.
drop_old_output() {
  rest=$all
  kept=
  dropped=
  while [ -n "$rest" ]; do
    blanks=${rest%%[![:blank:]]*}
    rest=${rest#"$blanks"}
    word=${rest%%[[:blank:]]*}
    rest=${rest#"$word"}
    [ -n "$word" ] || break
    if is_old_output "$word"; then dropped=yes; else kept=$kept$blanks$word; fi
  done
  [ -n "$dropped" ] || return 0
  all=${kept#"${kept%%[![:blank:]]*}"}
}

text=
drop_old_output
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

# A name may begin with "-", but must not be an option of the programs below.
case $docker_env in
  /*) ;;
  *) docker_env=./$docker_env ;;
esac
# A pipe or /dev/stdout cannot be replaced, only written to.
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
# Mode and owner of the file do not change.
[ ! -e "$docker_env" ] || cp -p "$docker_env" "$temporary"
printf '%s' "$text" >"$temporary" || die "cannot write $temporary"
mv -f "$temporary" "$docker_env" || die "cannot write $docker_env"
