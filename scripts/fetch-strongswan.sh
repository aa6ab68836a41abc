#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Unpacks charon of Debian 12 with its plugins into build/strongswan, and prints that folder, for
# the hosts tests of the backend ipsec. Nothing is installed: the packages would start a charon on
# this machine.
set -eu
cd "$(dirname "$0")/.."
folder=$PWD/build/strongswan
if [ ! -d "$folder" ]; then
  mkdir -p build
  work=$(mktemp -d -p "$PWD/build" strongswan.XXXXXX)
  trap 'rm -rf "$work"' EXIT
  # standard-plugins has the algorithms of the default proposal, swanctl the plugin of VICI.
  download() {
    (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download strongswan-charon \
      strongswan-libcharon libstrongswan libstrongswan-standard-plugins strongswan-swanctl >&2)
  }
  # The lists of packages may be missing, or older than the archive.
  download || { apt-get -qq update >&2; download; }
  for package in "$work"/*.deb; do dpkg -x "$package" "$work/unpacked"; done
  # Whole or not at all.
  mv -T "$work/unpacked" "$folder"
fi
echo "$folder"
