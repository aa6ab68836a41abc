#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prints the address of the Debian archive from which this machine installs its own packages, so that
# a machine behind a mirror uses the mirror for all packages.
set -eu
mirror=$(apt-get indextargets --format '$(REPO_URI)' \
  'Created-By: Packages' 'Component: main' 'Release: bookworm' | head -n 1)
if [ -z "$mirror" ]; then
  echo "no package source of this machine is Debian's bookworm/main: see sources.list(5), and run apt-get update" >&2
  exit 1
fi
echo "${mirror%/}"
