#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Puts etcd 3.3 of Debian 11 into build/etcd-3.3 and prints where its program is, for the store
# tests: the last etcd that speaks its v2 API unasked, of the age of flannel v0.10.
set -eu
cd "$(dirname "$0")/.."
scripts/fetch-debian.sh bullseye etcd-server etcd-3.3
echo "$PWD/build/etcd-3.3/usr/bin/etcd"
