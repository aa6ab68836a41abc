#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Unpacks a package of another Debian suite into a folder of build/, for tests that need a release
# of a program that Debian 12 does not have. The script installs nothing and does not change the
# package lists of the system.
#
#   scripts/fetch-debian.sh SUITE PACKAGE FOLDER      (does nothing if the folder exists)
set -eu
cd "$(dirname "$0")/.."
suite=$1 package=$2 folder=$3
[ ! -d "build/$folder" ] || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial"
keys=/usr/share/keyrings/debian-archive-keyring.gpg
mirror=$(scripts/debian-mirror.sh)
echo "deb [signed-by=$keys] $mirror $suite main" >"$work/sources.list"
apt() {
  apt-get -qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::State::lists="$work/lists" -o Dir::State::status=/dev/null \
    -o Dir::Cache::archives="$work/archives" -o Dir::Cache::pkgcache= \
    -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root "$@" >&2
}
apt update
(cd "$work" && apt download "$package" && dpkg -x "$package"_*.deb unpacked)
mkdir -p build
mv "$work/unpacked" "build/$folder"
