#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Unpacks the kernel of Debian 12 with its modules into build/debian-kernel, and prints that folder,
# for the vm tests: the kernel of the machine that runs the tests may lack modules. Nothing is
# installed, since a kernel package would change how this machine boots.
set -eu
cd "$(dirname "$0")/.."
folder=$PWD/build/debian-kernel
if [ ! -d "$folder" ]; then
  mkdir -p build
  work=$(mktemp -d -p "$PWD/build" kernel.XXXXXX)
  trap 'rm -rf "$work"' EXIT
  # linux-image-amd64 has no files; it depends on the package of the newest release.
  package_of() {
    apt-cache depends --important linux-image-amd64 2>/dev/null |
      sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1
  }
  download() {
    package=$(package_of)
    [ -n "$package" ] && (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$package" >&2)
  }
  # The lists of packages may be missing, or older than the archive.
  download || { apt-get -qq update >&2; download; }
  dpkg -x "$work/$package"_*.deb "$work/unpacked"
  # Whole or not at all.
  mv -T "$work/unpacked" "$folder"
fi
echo "$folder"
