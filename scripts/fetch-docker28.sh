#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Puts dockerd 28 of Debian sid into build/docker-28 and prints the folder of its programs, for the
# hosts tests: from this release on Docker drops packets that reach a container from elsewhere. It
# runs with the system's containerd and runc.
set -eu
cd "$(dirname "$0")/.."
scripts/fetch-debian.sh sid docker.io docker-28
folder=$PWD/build/docker-28/usr/sbin
# The log shows the release, since sid may have a later one by now.
"$folder/dockerd" --version >&2
echo "$folder"
