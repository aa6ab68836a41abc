#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs missing packages, builds, and tests.
#
#   ./test.sh [unit|simulation|store|kernel|hosts|vm|package|tsan|fuzz|all]...     (default: all)
#
#   unit    format, include directions, file sizes; every unit test under ASan and UBSan.
#           Needs no root, no network, no kernel feature.
#   simulation  whole clusters in one process, SEEDS (500) of them, with random faults;
#           nightly: SEEDS=10000 CROWD=5000
#   store   the conformance suite of every store, against a real etcd and real files
#   kernel  real netlink in network namespaces                                    (root)
#   hosts   real daemons on hosts made of network namespaces, release build       (root)
#   vm      a host that boots without its store, and the hosts tests that need another kernel:
#           in virtual machines with Debian's (root)
#   package the Debian package installed, upgraded and removed on a booted machine (root)
#   all     the seven above
#   tsan    the threads of base, loop, http, registry and dataplane under ThreadSanitizer
#   fuzz    every fuzz target over its corpus for FUZZ_SECONDS (10) each
#
# CONTRIBUTING.md shows how to run one test alone.
set -uo pipefail
cd "$(dirname "$0")" || exit 2

jobs=$(nproc)
failed=()

say() { printf '\n== %s (after %s s)\n' "$*" "$SECONDS"; }

# build PRESET TARGET...: builds the targets, or all of them if none is given.
build() {
  local preset=$1
  shift
  local log=build/$preset-configure.log
  mkdir -p build
  if ! cmake --preset "$preset" >"$log" 2>&1; then
    cat "$log"
    return 1
  fi
  cmake --build --preset "$preset" -j "$jobs" ${1:+--target "$@"} -- --quiet
}

# Prints the targets of PRESET whose names match, one a line.
targets() {
  cmake --preset "$1" >/dev/null && ninja -C "build/$1" -t targets all |
    sed -n "s/^\([a-z0-9_]*$2\): phony$/\1/p" | grep -v '^cmake_' | sort -u
}

# labelled LABEL [PARALLEL]
labelled() {
  build dev "$1_tests" && ctest --preset dev -j "${2:-$jobs}" --no-tests=error -L "^$1\$"
}

run_unit() { labelled unit; }
run_simulation() {
  build release simulation_test &&
    ctest --preset release -j "$jobs" --no-tests=error -L '^simulation$'
}
run_store() {
  # Without them those tests report that they skip.
  FLANNEL_ETCD33=$(scripts/fetch-etcd33.sh) && FLANNEL_ETCD35=$(scripts/fetch-etcd35.sh) &&
    FLANNEL_CONSUL=$(scripts/fetch-consul.sh) || return 1
  export FLANNEL_ETCD33 FLANNEL_ETCD35 FLANNEL_CONSUL
  labelled store "$((jobs * 2))"  # these tests mostly wait
}
run_kernel() { labelled kernel; }

run_hosts() {
  build release flanneld flannelctl reference_forwarder || return 1
  # Without it those tests report that they skip.
  scripts/fetch-docker28.sh >/dev/null || return 1
  scripts/fetch-consul.sh >/dev/null || return 1
  # The stores call fsync, which waits until the disk has what the builds wrote.
  sync
  # The distribution's Python: others on the path need not have pytest. The tests mostly wait, so more
  # of them than there are cores run at once.
  FLANNEL_BIN_DIR=$PWD/build/release/bin \
    /usr/bin/python3 -m pytest -q -n "$((jobs < 4 ? jobs * 2 : 8))" tests/hosts
}

# Another kernel has what that of this machine may lack, such as the module ipip. The machine is
# emulated, so a test takes some ten times as long: VM_TESTS=tests/hosts takes half an hour.
run_vm() {
  local kernel tests
  read -ra tests <<<"${VM_TESTS:-tests/hosts/test_ipip.py tests/hosts/test_wireguard.py tests/hosts/test_wireguard_encryption.py tests/hosts/test_wireguard_keys.py tests/hosts/test_wireguard_nat.py tests/hosts/test_ipsec.py tests/hosts/test_traffic.py tests/hosts/test_restart.py}"
  build release flanneld flannelctl || return 1
  kernel=$(scripts/fetch-kernel.sh) || return 1
  scripts/fetch-strongswan.sh >/dev/null || return 1
  FLANNEL_BIN_DIR=$PWD/build/release/bin FLANNEL_KERNEL=$kernel \
    /usr/bin/python3 -m pytest -q -p no:cacheprovider tests/vm || return 1
  FLANNEL_BIN_DIR=$PWD/build/release/bin FLANNEL_TEST_MEGABYTES=3 \
    tests/vm/boot.py --limit="${VM_SECONDS:-900}" "$kernel" \
    /usr/bin/python3 -m pytest -q -n 3 "${tests[@]}" -k "ipip or wireguard or ipsec"
}

run_package() { /usr/bin/python3 -m pytest -q -p no:cacheprovider tests/package; }

# Runs only libraries with threads; test programs that are not built count as no test here.
run_tsan() {
  local tests
  mapfile -t tests < <(targets tsan _test | grep -xE '(base|loop|http|registry|etcd2|consul|store|dataplane)_test')
  build tsan "${tests[@]}" || return 1
  ctest --preset tsan -j "$jobs" --no-tests=error -L '^(unit|store)$' -E '^(source|dist)\.|_NOT_BUILT$'
}

# fuzz_one TARGET: runs it for FUZZ_SECONDS. New inputs go to the first folder, so the committed
# corpus stays as it is.
fuzz_one() {
  local name=${1%_fuzz}
  local corpora=("build/fuzz/corpus/$name" "tests/fuzz/corpus/$name") end
  mkdir -p "${corpora[0]}" build/fuzz/crashes
  [ -d "${corpora[1]}" ] || unset "corpora[1]"
  if "build/fuzz/bin/$1" -max_total_time="${FUZZ_SECONDS:-10}" -max_len=4096 -timeout=5 \
    -rss_limit_mb=2048 -artifact_prefix="build/fuzz/crashes/$name-" \
    "${corpora[@]}" >"build/fuzz/$name.log" 2>&1; then
    end=$(grep -a 'stat::number_of_executed_units\|^Done' "build/fuzz/$name.log" | tail -n 1)
    printf '%-24s %s\n' "$1" "$end"
    return 0
  fi
  printf '%-24s FAILED\n' "$1"
  tail -n 40 "build/fuzz/$name.log"
  return 1
}

run_fuzz() {
  local target pid found running=() failures=0
  mapfile -t found < <(targets fuzz '_fuzz')
  [ "${#found[@]}" -gt 0 ] || { echo "no fuzz targets" >&2; return 1; }
  build fuzz "${found[@]}" || return 1
  for target in "${found[@]}"; do
    # Each uses one core.
    if [ "${#running[@]}" -ge "$jobs" ]; then
      wait "${running[0]}" || failures=$((failures + 1))
      running=("${running[@]:1}")
    fi
    fuzz_one "$target" &
    running+=("$!")
  done
  for pid in "${running[@]}"; do
    wait "$pid" || failures=$((failures + 1))
  done
  echo "$((${#found[@]} - failures)) passed, $failures failed"
  [ "$failures" = 0 ]
}

main() {
  local parts=() part
  for part in "${@:-all}"; do
    case $part in
      unit | simulation | store | kernel | hosts | vm | package | tsan | fuzz) parts+=("$part") ;;
      all) parts+=(unit simulation store kernel hosts vm package) ;;
      *) sed -n '3,22s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
  done

  if [ "${parts[*]}" = unit ]; then
    scripts/install-deps.sh build check || exit 1
  else
    scripts/install-deps.sh build test || exit 1
  fi

  local started
  for part in "${parts[@]}"; do
    say "$part"
    started=$SECONDS
    "run_$part" || failed+=("$part")
    times+="$part $((SECONDS - started)) s, "
  done
  mkdir -p build
  echo "${times%, }" >build/test-times.txt
  if [ "${#failed[@]}" -gt 0 ]; then
    say "FAILED: ${failed[*]}"
    exit 1
  fi
}

times=
main "$@"
