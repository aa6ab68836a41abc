#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fails on what has grown past its limit in src/: files, functions, and the flags of a class.

A file that is too long has a second subject, a function that is too long does several things, and a
class with many bool members is a state machine that says neither its states nor its steps. There
are no exceptions: what grows past a limit is split. In a test a table of cases may be as long as it
is.

The files are formatted by clang-format, so that indentation tells what belongs together: a
definition ends with the first line that closes a brace at the indentation of its own first line.
"""

import pathlib
import re
import sys

FILE_LINES = 400
FUNCTION_LINES = 40  # between the braces
CLASS_FLAGS = 3

NO_FUNCTION = re.compile(
    r"(if|else|for|while|switch|do|try|catch|return|case|default|namespace|class|struct|union|enum"
    r"|extern|co_return|throw|using|static_assert)\b|[A-Za-z_:<>,*& ]*\s=\s|[\]}({\"'+\-.]")
FUNCTION_NAME = re.compile(r"([\w:~]+|operator[^\w\s(]+)\s*\(")
CLASS = re.compile(r"(\s*)class (?:\[\[\w+\]\] )?([\w:]+)(?: final)?(?: :.*)?(?<!;)$")
FLAG = re.compile(r"bool \w+(?: = [^;()]+|\{\w*\})?(?:, \w+(?: = [^;()]+)?)*;")


def indentation(line):
    return len(line) - len(line.lstrip(" "))


def end_of(lines, opening, indent):
    """The line that closes the brace which the line `opening` opens."""
    for number in range(opening + 1, len(lines)):
        if lines[number].startswith(" " * indent + "}"):
            return number
    return len(lines)


def statements(lines):
    """The first and the last line of each beginning of a block, up to its brace."""
    first = None
    for number, line in enumerate(lines):
        text = line.split(" // ")[0].rstrip()
        bare = text.strip()
        if not bare or bare.startswith(("//", "#")) or re.fullmatch(r"(public|private|protected):", bare):
            first = None
            continue
        if first is None:
            first = number
        if text.endswith("{"):
            yield first, number
            first = None
        elif text.endswith((";", "}")):
            first = None


def functions(lines):
    """Name, first line and number of lines between the braces of each function."""
    for first, opening in statements(lines):
        indent = indentation(lines[first])
        head = " ".join(line.strip() for line in lines[first:opening + 1])
        if indent not in (0, 2, 4) or "(" not in head or NO_FUNCTION.match(head):
            continue
        if head.count("(") != head.count(")"):  # a call, with the body of a lambda
            continue
        name = FUNCTION_NAME.search(head)
        if name:
            yield name.group(1), first, end_of(lines, opening, indent) - opening - 1


def classes(lines):
    """Name, first line and number of bool members of each class; structs are values and may have
    many."""
    for first, opening in statements(lines):
        head = " ".join(line.strip() for line in lines[first:opening + 1])
        found = re.match(r"(?:template <.*> )?class ([\w:]+)", head)
        if not found:
            continue
        indent = indentation(lines[first])
        body = lines[opening + 1:end_of(lines, opening, indent)]
        member = " " * (indent + 2)
        flags = sum(len(re.findall(r"\w+(?=[ ;,{])", m.group(0).split("=")[0][5:])) or 1
                    for line in body if line.startswith(member) and line[len(member)] != " "
                    for m in [FLAG.match(line.strip())] if m)
        yield found.group(1), first, flags


def complaints(path, root):
    lines = path.read_text(encoding="utf-8").splitlines()
    where = path.relative_to(root)
    if len(lines) > FILE_LINES:
        yield f"{where}: {len(lines)} lines, {FILE_LINES} are allowed"
    is_test = path.stem.endswith("_test")
    for name, first, count in [] if is_test else functions(lines):
        if count > FUNCTION_LINES:
            yield f"{where}:{first + 1}: {name}: {count} lines, {FUNCTION_LINES} are allowed"
    for name, first, flags in classes(lines):
        if flags > CLASS_FLAGS:
            yield f"{where}:{first + 1}: class {name}: {flags} bool members, {CLASS_FLAGS} are allowed"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent)
    files = sorted(p for p in (root / "src").rglob("*") if p.suffix in (".h", ".cc"))
    all_of_them = [line for path in files for line in complaints(path, root)]
    for line in all_of_them:
        print(line)
    print(f"{len(files)} files, {len(all_of_them)} complaints")
    return 1 if all_of_them or not files else 0


if __name__ == "__main__":
    sys.exit(main())
