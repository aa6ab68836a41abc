#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fails on words that make readers guess, in comments, names and messages of src/ and in docs/.

docs/glossary.md has the words of the project; CONTRIBUTING.md says how comments are written."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# What is wrong, what to write instead. Matched without regard to case.
WORDS = [
    (r"\b(tell|tells|telling|told)\b", "notify, report, say to whom and what"),
    (r"\b(tell|told)_\w+|\w+_told\b", "notify_..., reported_..."),
    (r"\bnews\b|\w+_news\b", "notification, change, message"),
    (r"\bwhoever\b", "name the process, person or code"),
    (r"\bsomebody\b", "another process, an operator"),
    (r"\bsettle[sd]?\b|\bsettle_\w+", "the state that is reached"),
    (r"\b(look_again|look_at_\w+|look_later|second_look)\b", "refresh, read_..., check_..."),
]
NAMES = [
    (r"\b(?!NetworkManager\b)\w+Manager\b", "name what the class does"),
    (r"\b(util|utils|helpers)\b", "name the subject"),
]
# The beginning of a comment, after //.
OPENINGS = [
    (r"^(Of|Than) ", "a sentence with its subject first"),
    (r"^Who ", "a sentence with its subject first"),
]
# A message that is only a noun says nothing; it should be what happened.
NOUN_MESSAGE = re.compile(
    r'log::(?:info|warning|error)\(\s*"(underlay|packet filter|packet path|subnet file|network config|'
    r'service manager|health server|kernel|store|lease|host)"'
)
COMMENT = re.compile(r"(?:^|\s)//+ ?(.*)$")


def comment_blocks(lines):
    """(line number, text of the comment) of the first line of each comment."""
    before = False
    for number, line in enumerate(lines, 1):
        found = COMMENT.search(line)
        own_line = line.lstrip().startswith("//")
        if found and not (own_line and before):
            yield number, found.group(1)
        before = own_line


def complaints_about_code(text):
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        for pattern, advice in WORDS:
            for found in re.finditer(pattern, line, re.IGNORECASE):
                yield number, found.group(0), advice
        for pattern, advice in NAMES:
            for found in re.finditer(pattern, line):
                yield number, found.group(0), advice
    for number, comment in comment_blocks(lines):
        for pattern, advice in OPENINGS:
            if re.search(pattern, comment):
                yield number, comment[:30], advice
    for found in NOUN_MESSAGE.finditer(text):
        yield text.count("\n", 0, found.start()) + 1, found.group(1), "a log message says what happened"


def complaints_about_docs(text):
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, advice in WORDS:
            for found in re.finditer(pattern, line, re.IGNORECASE):
                yield number, found.group(0), advice


def main():
    code = [p for p in (ROOT / "src").rglob("*") if p.suffix in (".h", ".cc")]
    code = [p for p in code if not p.stem.endswith("_test")]
    docs = sorted((ROOT / "docs").rglob("*.md")) + sorted(ROOT.glob("*.md"))
    docs += sorted((ROOT / "docs" / "man").iterdir())
    count = 0
    for path in sorted(code) + docs:
        check = complaints_about_code if path in code else complaints_about_docs
        for number, found, advice in check(path.read_text(encoding="utf-8")):
            print(f"{path.relative_to(ROOT)}:{number}: {found!r}: write {advice}")
            count += 1
    print(f"{len(code) + len(docs)} files, {count} words that make readers guess")
    return 1 if count or not code or not docs else 0


if __name__ == "__main__":
    sys.exit(main())
