#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fails on a file of src/ with more than 400 lines: such a file has a second subject."""

import pathlib
import sys

LIMIT = 400


def main():
    src = pathlib.Path(__file__).resolve().parent.parent / "src"
    files = [p for p in src.rglob("*") if p.suffix in (".h", ".cc")]
    sizes = [(len(p.read_text(encoding="utf-8").splitlines()), p) for p in files]
    long = [f"{p.relative_to(src.parent)}: {lines} lines" for lines, p in sizes if lines > LIMIT]
    for line in sorted(long):
        print(line)
    print(f"{len(files)} files, {len(long)} longer than {LIMIT} lines")
    return 1 if long or not files else 0


if __name__ == "__main__":
    sys.exit(main())
