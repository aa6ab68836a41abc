# SPDX-License-Identifier: Apache-2.0
"""docs/problems.md has the problems that the program knows, with their severities, messages and remedies, and no other."""

import pathlib
import re

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
KINDS = REPOSITORY / "src" / "base" / "problem_kinds.h"
AREAS = REPOSITORY / "src" / "base" / "problem.cc"
PAGE = REPOSITORY / "docs" / "problems.md"

STRING = r'"(?:[^"\\]|\\.)*"'
KIND = re.compile(
    rf"constexpr ProblemKind k(\w+)\{{\s*({STRING}),\s*ProblemArea::(\w+),\s*Severity::(\w+),"
    rf"\s*((?:{STRING}\s*)+),\s*((?:{STRING}\s*)+)\}};")


def joined(literals):
    """The text of adjacent string literals."""
    return "".join(part[1:-1] for part in re.findall(STRING, literals)).replace('\\"', '"')


def in_program():
    """code -> (area, severity, message, remedy)"""
    source = KINDS.read_text(encoding="utf-8")
    found = [(joined(code), area.replace("_", " "), severity, joined(summary), joined(remedy))
             for _, code, area, severity, summary, remedy in KIND.findall(source)]
    assert len(found) == source.count("constexpr ProblemKind ") > 50
    kinds = {code: rest for code, *rest in found}
    assert len(kinds) == len(found), "two kinds have one code"
    return kinds


def in_page():
    """code -> (area, severity, message, remedy); the area is the heading."""
    kinds, area = {}, None
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            area = line[3:].strip("`")
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if not line.startswith("| `") or len(cells) != 5:
            continue
        code, severity, message, meaning, remedy = cells
        assert code not in kinds, code
        assert meaning, f"{code} has no meaning"
        kinds[code.strip("`")] = [area, severity, message, remedy if remedy != "none" else ""]
    return kinds


def test_the_page_has_the_problems_that_the_program_knows():
    program, page = in_program(), in_page()
    assert sorted(page) == sorted(program)
    for code, kind in program.items():
        assert page[code] == kind, code


def test_each_problem_is_used_and_has_a_remedy():
    sources = [path.read_text(encoding="utf-8") for path in sorted((REPOSITORY / "src").rglob("*.cc"))
               if not path.stem.endswith("_test")]
    for name, code, _, severity, _, remedy in KIND.findall(KINDS.read_text(encoding="utf-8")):
        assert any(re.search(rf"\bk{name}\b", text) for text in sources), code
        assert joined(remedy) or severity == "waiting", code
