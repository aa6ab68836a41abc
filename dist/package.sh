#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes a Debian package and a tarball of both programs, stripped, by CPack:
#
#   build/dist/flannel-cpp_VERSION_ARCH.deb
#   build/dist/flannel-VERSION-linux-ARCH.tar.gz
#       unpacked with: tar --no-same-owner --strip-components=1 -C / -xzf
set -eu
cd "$(dirname "$0")/.."

scripts/install-deps.sh build package
cmake --preset release >/dev/null
cmake --build --preset release --target flanneld flannelctl -- --quiet
umask 022
log=build/release/cpack.log
cpack --preset release >"$log" 2>&1 || { cat "$log" >&2; exit 1; }

sed -n 's/.* package: \(.*\) generated\.$/\1/p' "$log" | while read -r file; do
  printf '%s\t%s bytes\n' "$file" "$(stat -c %s "$file")"
done
