#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A container network on one machine: N hosts made of network namespaces, a real flanneld on each,
# a container behind each; every container pings every other. The demo needs root, changes nothing
# outside of the namespaces that it makes, and removes them when it ends. Out here it only listens on
# 127.0.0.1, for a browser.
set -euo pipefail
cd "$(dirname "$0")"

usage() {
  cat <<'USAGE'
usage: ./demo.sh [--store=sqlite|etcd] [--backend=vxlan|ipip|wireguard|host-gw|udp] [--hosts=N] [--once]

  --store     where the hosts register their subnets            (sqlite: one shared file)
  --backend   how packets travel between hosts                  (vxlan)
  --hosts     2 to 9                                            (3)
  --once      end after the pings, with 0 if all were answered, else with 1
USAGE
}

store=sqlite backend=vxlan hosts=3 once=
for option; do
  case $option in
    --store=sqlite | --store=etcd) store=${option#*=} ;;
    --backend=?*) backend=${option#*=} ;;
    --hosts=[2-9]) hosts=${option#*=} ;;
    --once) once=yes ;;
    -h | --help) usage; exit 0 ;;
    *) echo "demo.sh: unknown option $option" >&2; usage >&2; exit 2 ;;
  esac
done
[ "$(id -u)" = 0 ] || { echo "demo.sh makes network namespaces: run it as root" >&2; exit 1; }

if [ -t 1 ]; then
  bold=$'\e[1m' good=$'\e[32m' bad=$'\e[31m' plain=$'\e[0m'
else
  bold='' good='' bad='' plain=''
fi
title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
fail() { printf '\n%s%s%s\n' "$bad" "$*" "$plain" >&2; exit 1; }

# ---- install, build

build() {
  # shellcheck disable=SC2046
  scripts/install-deps.sh build run $([ "$store" = etcd ] && echo etcd)
  [ -x build/release/bin/flanneld ] || echo "building, a few minutes the first time"
  mkdir -p build
  local log=build/demo-build.log line
  {
    cmake --preset release && NINJA_STATUS='[%f/%t] ' cmake --build --preset release \
      -j "$(nproc)" --target flanneld flannelctl
  } 2>&1 | tee "$log" | while IFS= read -r line; do
    # One line shows the progress on a terminal.
    if [ -t 1 ] && [[ $line == \[* ]]; then printf '\r  building %s   ' "${line%%]*}]"; fi
  done || { tail -n 30 "$log"; fail "the build failed; the whole log is in $log"; }
  if [ -t 1 ]; then printf '\r\e[K'; fi
}

# ---- the machines

run=fl-demo-$$
work=$(mktemp -d "/tmp/$run-XXXXXX")

clean_up() {
  local status=$? path name pids
  trap '' INT TERM HUP
  exec 2>/dev/null
  for path in "/run/netns/$run"-*; do
    [ -e "$path" ] || continue
    name=${path##*/}
    pids=$(ip netns pids "$name")
    # shellcheck disable=SC2086
    [ -z "$pids" ] || kill -KILL $pids 2>/dev/null || true
    ip netns del "$name"
  done
  # shellcheck disable=SC2046
  kill -KILL $(jobs -p) 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$work"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

ns() { echo "$run-$1"; }
in_ns() { local name=$1; shift; ip netns exec "$(ns "$name")" "$@"; }

make_ns() {
  ip netns add "$(ns "$1")"
  ip -n "$(ns "$1")" link set lo up
}

# plug NAME ADDRESS: a machine with eth0 on the bridge.
plug() {
  make_ns "$1"
  ip -n "$(ns lan)" link add "$1" type veth peer name eth0 netns "$(ns "$1")"
  ip -n "$(ns lan)" link set "$1" master lan0 up
  ip -n "$(ns "$1")" addr add "$2/24" dev eth0
  ip -n "$(ns "$1")" link set eth0 up
  ip -n "$(ns "$1")" route add default via 192.0.2.254
}

make_hosts() {
  make_ns lan
  ip -n "$(ns lan)" link add lan0 type bridge
  ip -n "$(ns lan)" link set lan0 up
  local i
  for ((i = 1; i <= hosts; i++)); do
    plug "h$i" "192.0.2.$i"
    in_ns "h$i" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
  done
}

# container I: behind a bridge on host I, with the subnet and the MTU that its daemon leased.
container() {
  local i=$1 host peer FLANNEL_SUBNET FLANNEL_MTU
  # shellcheck disable=SC1090
  . "$work/h$i.env"
  host=$(ns "h$i") peer=$(ns "c$i")
  address[i]=${FLANNEL_SUBNET%.*}.10
  make_ns "c$i"
  ip -n "$host" link add cni0 mtu "$FLANNEL_MTU" type bridge
  ip -n "$host" addr add "$FLANNEL_SUBNET" dev cni0
  ip -n "$host" link set cni0 up
  ip -n "$host" link add "c$i" mtu "$FLANNEL_MTU" type veth \
    peer name eth0 mtu "$FLANNEL_MTU" netns "$peer"
  ip -n "$host" link set "c$i" master cni0 up
  ip -n "$peer" addr add "${address[i]}/${FLANNEL_SUBNET#*/}" dev eth0
  ip -n "$peer" link set eth0 up
  ip -n "$peer" route add default via "${FLANNEL_SUBNET%/*}"
}

# ---- store and daemons

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
  local until=$((SECONDS + $1))
  shift
  while ! "$@" >/dev/null 2>&1; do
    ((SECONDS < until)) || return 1
    sleep 0.05
  done
}

open_store() {
  if [ "$store" = sqlite ]; then
    store_flags=("--store=sqlite:$work/flannel.db")
    return
  fi
  plug etcd 192.0.2.250
  local url=http://192.0.2.250:2379
  store_flags=(--store=etcd "--etcd-endpoints=$url")
  ip netns exec "$(ns etcd)" etcd --data-dir "$work/etcd" --listen-client-urls "$url" \
    --advertise-client-urls "$url" >"$work/etcd.log" 2>&1 &
  wait_for 20 in_ns etcd etcdctl --endpoints="$url" get / ||
    { tail "$work/etcd.log"; fail "etcd does not answer"; }
}

ctl() {
  in_ns h1 build/release/bin/flannelctl "${store_flags[@]}" "$@"
}

start_daemons() {
  local i
  if [ "$backend" = ipip ] || [ "$backend" = wireguard ]; then
    ip -n "$(ns h1)" link add fl-try type "$backend" 2>/dev/null ||
      fail "this kernel has no $backend devices; --backend=vxlan needs none"
    ip -n "$(ns h1)" link delete fl-try
  fi
  ctl config set "{\"Network\":\"10.5.0.0/16\",\"Backend\":{\"Type\":\"$backend\"}}" \
    >"$work/config.log" 2>&1 || { cat "$work/config.log"; fail "the configuration was refused"; }
  for ((i = 1; i <= hosts; i++)); do
    ip netns exec "$(ns "h$i")" build/release/bin/flanneld "${store_flags[@]}" --iface=eth0 \
      --subnet-file="$work/h$i.env" --state-dir="$work/h$i" \
      --control-socket="$work/h$i.sock" --status-addr=8088 >"$work/h$i.log" 2>&1 &
  done
  for ((i = 1; i <= hosts; i++)); do
    wait_for 30 test -s "$work/h$i.env" ||
      { tail -n 15 "$work/h$i.log"; fail "flanneld on h$i took no subnet"; }
  done
  for ((i = 1; i <= hosts; i++)); do
    wait_for 15 knows_all "h$i" || true  # the pings show a failure
  done
}

# udp has one route for the whole network; its peers are in the packet path's own table.
overlay_routes() {
  if [ "$backend" = udp ]; then
    ip -n "$(ns "$1")" route show dev flannel0
  else
    ip -n "$(ns "$1")" route show proto 250
  fi
}
knows_all() {
  local wanted=$((hosts - 1))
  [ "$backend" != udp ] || wanted=1
  [ "$(overlay_routes "$1" | wc -l)" = "$wanted" ]
}

# ---- results

# One cell for each pair: the average of three echoes in ms, or "lost".
ping_all() {
  local i j cell
  came=0 asked=0
  printf '  %-18s' 'from \ to'
  for ((j = 1; j <= hosts; j++)); do printf '%-14s' "${address[j]}"; done
  echo
  for ((i = 1; i <= hosts; i++)); do
    printf '  %-18s' "c$i ${address[i]}"
    for ((j = 1; j <= hosts; j++)); do
      if ((i == j)); then
        printf '%-14s' .
        continue
      fi
      asked=$((asked + 1))
      if cell=$(in_ns "c$i" ping -n -q -c 3 -i 0.02 -W 2 "${address[j]}"); then
        came=$((came + 1))
        cell=$(awk -F/ '/^rtt/ { print $5 " ms" }' <<<"$cell")
        printf '%s%-14s%s' "$good" "$cell" "$plain"
      else
        printf '%s%-14s%s' "$bad" lost "$plain"
      fi
    done
    echo
  done
  echo
  if ((came == asked)); then
    printf '  %s%d of %d pairs reach each other%s\n' "$good" "$came" "$asked" "$plain"
  else
    printf '  %sonly %d of %d pairs reach each other%s\n' "$bad" "$came" "$asked" "$plain"
  fi
}

# Serves the status page of h1 to this machine: a socket out here, and a program in h1 that passes its
# connections on. `page` is the address.
open_page() {
  local port=8088
  while [ -n "$(ss -Hltn "sport = :$port")" ]; do port=$((port + 1)); done
  systemd-socket-activate --listen="127.0.0.1:$port" \
    ip netns exec "$(ns h1)" /lib/systemd/systemd-socket-proxyd 127.0.0.1:8088 >"$work/page.log" 2>&1 &
  page="http://127.0.0.1:$port/"
}

stay() {
  local page
  open_page
  title "The network stays up; Ctrl-C removes it"
  cat <<STAY
  see it live in a browser           $page
  let a host die, and see it there   ip -n $(ns lan) link set h2 down; and back: ip -n $(ns lan) link set h2 up
  what is wrong, and what to do      ip netns exec $(ns h1) build/release/bin/flannelctl --control-socket=$work/h1.sock ${store_flags[*]} doctor
                                     (and status, peers, ping, trace with the same flags)
  ping from container to container   ip netns exec $(ns c1) ping ${address[2]}
  the routes that flanneld made      ip -n $(ns h1) route
  delete them, and they come back    ip -n $(ns h1) route flush proto 250
  the log of flanneld on h1          tail -f $work/h1.log
STAY
  trap 'echo; exit $((came != asked))' INT
  sleep infinity &
  wait $!
}

declare -a address store_flags
build
title "$hosts hosts, backend $backend, store $store"
make_hosts
open_store
start_daemons
for ((i = 1; i <= hosts; i++)); do
  container "$i"
  echo "  h$i  192.0.2.$i  ── container c$i  ${address[i]}"
done

title "Leases"
ctl leases | sed 's/^/  /'
title "Routes that flanneld made on h1"
overlay_routes h1 | sed 's/^/  /; s/ *$//'
title "Pings from container to container"
ping_all
[ -n "$once" ] || stay
[ "$came" = "$asked" ]
