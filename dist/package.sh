#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes a Debian package and a tarball of both programs, stripped:
#
#   dist/package.sh [FOLDER]        (default: build/dist)
#
#   flannel-cpp_VERSION_ARCH.deb
#   flannel-VERSION-linux-ARCH.tar.gz    the same tree; tar -xzf it --strip-components=1 -C /
set -eu
cd "$(dirname "$0")/.."
out=${1:-build/dist}
mkdir -p "$out"
out=$(cd "$out" && pwd)

scripts/install-deps.sh build package
cmake --preset release >/dev/null
cmake --build --preset release --target flanneld flannelctl -- --quiet

name=flannel-cpp
version=$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' build/release/CMakeCache.txt)
architecture=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022
# One time for all files, that of the source, so that a package can be made again byte for byte.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

# ---- the tree

tree=$work/flannel-$version-linux-$architecture
DESTDIR=$tree cmake --install build/release --prefix /usr --strip >/dev/null
strip --remove-section=.comment --remove-section=.note "$tree"/usr/sbin/*
mv "$tree/usr/share/doc/flannel" "$tree/usr/share/doc/$name"
gzip -9n "$tree"/usr/share/man/man8/*

same_time() { find "$1" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +; }

doc=$tree/usr/share/doc/$name
cp LICENSE "$doc"
same_time "$tree"
tarball=$out/flannel-$version-linux-$architecture.tar.gz
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner -cf - "${tree##*/}" |
  gzip -9n >"$tarball"

# ---- the package

fill() {
  sed -e "s|@VERSION@|$version|" -e "s|@ARCHITECTURE@|$architecture|" -e "s|@SIZE@|${size:-}|" \
    -e "s|@DEPENDS@|${depends:-}|" -e "s|@DATE@|$(date -uRd "@$SOURCE_DATE_EPOCH")|" "$1"
}

rm "$doc/LICENSE"  # every Debian has it
cp dist/debian/copyright "$doc/copyright"
fill dist/debian/changelog.in | gzip -9n >"$doc/changelog.gz"
mkdir -p "$tree/usr/share/lintian/overrides"
cp dist/debian/lintian-overrides "$tree/usr/share/lintian/overrides/$name"

mkdir -p "$work/debian" "$tree/DEBIAN"
echo "Source: $name" >"$work/debian/control"  # dpkg-shlibdeps wants to stand in a source
depends=$(cd "$work" && dpkg-shlibdeps -O "$tree/usr/sbin/flanneld" "$tree/usr/sbin/flannelctl" |
  sed -n 's/^shlibs:Depends=//p')
size=$(du -sk --exclude=DEBIAN --apparent-size "$tree" | cut -f1)

fill dist/debian/control.in >"$tree/DEBIAN/control"
install -m 755 dist/debian/postinst dist/debian/prerm dist/debian/postrm "$tree/DEBIAN"
(cd "$tree" && find etc -type f -printf '/%p\n') >"$tree/DEBIAN/conffiles"
(cd "$tree" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$tree/DEBIAN/md5sums"
same_time "$tree"
package=$out/${name}_${version}_$architecture.deb
dpkg-deb --root-owner-group -Zxz --build "$tree" "$package" >/dev/null

# ---- what came out

for file in "$package" "$tarball"; do
  printf '%s\t%s bytes\n' "$file" "$(stat -c %s "$file")"
done
printf 'installed\t%s KiB\n' "$size"
