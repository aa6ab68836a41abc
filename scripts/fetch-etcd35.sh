#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Puts etcd 3.5 of Debian 13 into build/etcd-3.5 and prints the path of its program, for the store
# tests. Debian 12 itself has 3.4.
set -eu
cd "$(dirname "$0")/.."
scripts/fetch-debian.sh trixie etcd-server etcd-3.5
echo "$PWD/build/etcd-3.5/usr/bin/etcd"
