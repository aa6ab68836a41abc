#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Puts etcd 3.3 of Debian 11 into build/etcd-3.3 and prints the path of its program, for the store
# tests. It is the last etcd that serves the v2 API by default, and of the age of flannel v0.10.
set -eu
cd "$(dirname "$0")/.."
scripts/fetch-debian.sh bullseye etcd-server etcd-3.3
echo "$PWD/build/etcd-3.3/usr/bin/etcd"
