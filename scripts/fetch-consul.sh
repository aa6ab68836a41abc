#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Puts Consul 1.8 of Debian 11 into build/consul-1.8 and prints where its program is, for the store
# tests: Debian 12 has none.
set -eu
cd "$(dirname "$0")/.."
scripts/fetch-debian.sh bullseye consul consul-1.8
echo "$PWD/build/consul-1.8/usr/bin/consul"
