#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian 12 packages that are missing, and no others; does nothing if none is missing.
#
#   scripts/install-deps.sh [build|run|etcd|check|package|vm|test|all]...     (default: all)
#
#   build   compile both programs        run    the programs of a host, and the demo
#   etcd    a real etcd for demo, tests  check  the checks of ./test.sh unit
#   package make the Debian package    vm     another kernel, emulated
#   test    run, etcd, check, package and the rest of ./test.sh
set -eu

build="g++ mold cmake ninja-build pkg-config ccache libabsl-dev libgrpc++-dev protobuf-compiler
  protobuf-compiler-grpc libprotobuf-dev libcpp-httplib-dev libssl-dev libsqlite3-dev
  libexpected-dev libfmt-dev libseccomp-dev prometheus-cpp-dev libspdlog-dev nlohmann-json3-dev libre2-dev
  zlib1g-dev libgtest-dev"
run="iproute2 iputils-ping nftables systemd"
etcd="etcd-server etcd-client"
check="python3 clang-format-16 python3-pytest dash bash busybox zsh fish mandoc systemd"
package="dpkg-dev binutils"
vm="qemu-system-x86 kmod cpio busybox wireguard-tools"
test="$run $etcd $check $package $vm debootstrap systemd-container ethtool procps clang-16
  libclang-rt-16-dev curl fping iptables openssl sqlite3 iperf3
  docker.io docker-compose faketime nginx-light prometheus python3-pytest-xdist chromium-headless-shell"

wanted=
for set in "${@:-all}"; do
  case $set in
    build) wanted="$wanted $build" ;;
    run) wanted="$wanted $run" ;;
    etcd) wanted="$wanted $etcd" ;;
    check) wanted="$wanted $check" ;;
    package) wanted="$wanted $package" ;;
    vm) wanted="$wanted $vm" ;;
    test) wanted="$wanted $test" ;;
    all) wanted="$wanted $build $test" ;;
    *) echo "usage: $0 [build|run|etcd|check|package|vm|test|all]..." >&2; exit 2 ;;
  esac
done

# Prints the names that dpkg does not report as installed.
missing_of() {
  # shellcheck disable=SC2086
  dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
    awk -v wanted="$*" '
      $1 == "installed" { have[$2] = 1 }
      END { n = split(wanted, w, " "); for (i = 1; i <= n; i++) if (!(w[i] in have)) print w[i] }'
}

# shellcheck disable=SC2086
missing=$(missing_of $wanted | sort -u | tr '\n' ' ')
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "missing packages, and only root can install them: apt-get install $missing" >&2
    exit 1
  fi
  as_root=sudo
fi

echo "installing: $missing"

# Debian starts a service as soon as its package is unpacked. An unexpected etcd would occupy port
# 2379, and could be mistaken for the real one; Docker would change the rules of this machine's
# packet filter. So no service is started.
policy=/usr/sbin/policy-rc.d
made_policy=
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
  $as_root chmod 755 "$policy"
  made_policy=yes
fi
log=$(mktemp)
finish() {
  status=$?
  [ -z "$made_policy" ] || $as_root rm -f "$policy"
  [ "$status" = 0 ] || tail -n 30 "$log" >&2
  rm -f "$log"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

$as_root apt-get update -qq >"$log" 2>&1
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends $missing >>"$log" 2>&1 </dev/null

# The services do not start at the next boot either.
disable() {
  case " $missing " in
    *" $1 "*)
      shift
      if command -v systemctl >/dev/null; then
        $as_root systemctl disable "$@" >>"$log" 2>&1 || true
      fi ;;
  esac
}
disable etcd-server etcd
disable docker.io docker.service docker.socket containerd
disable nginx-light nginx
