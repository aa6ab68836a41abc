#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Puts etcd 3.3 of Debian 11 into build/etcd-3.3 and prints where its program is, for the store
# tests: the last etcd that speaks its v2 API unasked, of the age of flannel v0.10. Installs
# nothing, and leaves the package lists of the system alone.
set -eu
cd "$(dirname "$0")/.."
folder=$PWD/build/etcd-3.3
program=$folder/usr/bin/etcd
if [ ! -x "$program" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work/lists/partial" "$work/archives/partial"
  keys=/usr/share/keyrings/debian-archive-keyring.gpg
  echo "deb [signed-by=$keys] http://deb.debian.org/debian bullseye main" >"$work/sources.list"
  apt() {
    apt-get -qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null \
      -o Dir::State::lists="$work/lists" -o Dir::State::status=/dev/null \
      -o Dir::Cache::archives="$work/archives" -o Dir::Cache::pkgcache= \
      -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root "$@" >&2
  }
  apt update
  (cd "$work" && apt download etcd-server && dpkg -x etcd-server_*.deb unpacked)
  mkdir -p build
  rm -rf "$folder"
  mv "$work/unpacked" "$folder"
fi
echo "$program"
