# SPDX-License-Identifier: Apache-2.0
"""The pages as they are installed: each link leads to a page and a heading that exist, and each test that a page
names exists."""

import pathlib
import re
import subprocess

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PROJECT = """
cmake_minimum_required(VERSION 3.25)
project(documents LANGUAGES NONE)
set(doc share/doc/flannel-cpp)
include({}/dist/documents.cmake)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder with the files that the package installs."""
    folder = tmp_path_factory.mktemp("documents")
    (folder / "CMakeLists.txt").write_text(PROJECT.format(REPOSITORY), encoding="utf-8")
    for words in (["-S", folder, "-B", folder / "build"],
                  ["--install", folder / "build", "--prefix", folder / "usr"]):
        subprocess.run(["cmake", *words], check=True, capture_output=True, timeout=60)
    return folder / "usr/share/doc/flannel-cpp"


def without_code(text):
    return re.sub(r"(?ms)^```.*?^```|`[^`\n]*`", "", text)


def links(page):
    """The relative links of a page: (path or empty, heading or empty)."""
    found = re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text(encoding="utf-8")))
    return [link.partition("#")[::2] for link in found if "://" not in link]


def headings(page):
    """The headings of a page, in the form in which a forge names them in links."""
    text = re.sub(r"(?ms)^```.*?^```", "", page.read_text(encoding="utf-8"))
    lines = re.findall(r"(?m)^#+ +(.*)$", text)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def test_every_link_of_an_installed_page_leads_somewhere(installed):
    pages = sorted(installed.rglob("*.md"))
    assert {"README.md", "flanneld.md"} <= {page.name for page in pages}
    broken, count = [], 0
    for page in pages:
        for path, heading in links(page):
            count += 1
            target = (page.parent / path).resolve() if path else page
            if not target.is_file() or installed not in target.parents:
                broken.append(f"{page.name}: {path}")
            elif heading and heading not in headings(target):
                broken.append(f"{page.name}: {path}#{heading}")
    assert broken == []
    assert count > 50, "the pages link to each other"


def names_of_tests():
    """The C++ classes and cases, and the Python functions and files."""
    names = set()
    for folder in ("src", "tests"):
        for file in (REPOSITORY / folder).rglob("*"):
            if file.suffix in {".h", ".cc"}:
                text = file.read_text(encoding="utf-8")
                names.update(re.findall(r"(?m)^(?:class|struct) (\w+)", text))
                for suite, case in re.findall(r"(?m)^TEST(?:_[FP])?\(\s*(\w+),\s*(\w+)\s*\)", text):
                    names.update([suite, f"{suite}.{case}"])
            elif file.match("test_*.py"):
                names.add(file.name)
                names.update(re.findall(r"(?m)^def (test_\w+)", file.read_text(encoding="utf-8")))
    return names


def test_every_test_that_a_page_names_exists(installed):
    names, absent, count = names_of_tests(), [], 0
    test = re.compile(r"[A-Z]\w*Test(\.[*\w]+)?|[A-Z]\w+\.[A-Z]\w+|test_\w+(\.py)?")
    for page in sorted(installed.rglob("*.md")):
        for word in re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8")):
            if test.fullmatch(word):
                count += 1
                if word.removesuffix(".*") not in names:
                    absent.append(f"{page.name}: {word}")
    assert absent == []
    assert count > 100, "the guarantees name the tests that show them"
