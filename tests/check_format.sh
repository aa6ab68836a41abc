#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fails where clang-format 16 would write a file differently, naming the places.
# To format: clang-format-16 -i FILE...
set -eu
cd "$(dirname "$0")/.."
files=$(find src tests bench -name '*.cc' -o -name '*.h')
# shellcheck disable=SC2086
if ! complaints=$(clang-format-16 --dry-run -Werror $files 2>&1); then
  echo "$complaints" | grep 'error:' || echo "$complaints"
  exit 1
fi
echo "$(echo "$files" | wc -l) files are formatted"
