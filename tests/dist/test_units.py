# SPDX-License-Identifier: Apache-2.0
"""systemd's own programs read the units and snippets; tests/package runs them."""

import pathlib
import re
import subprocess
from fnmatch import fnmatch

import pytest

DIST = pathlib.Path(__file__).resolve().parents[2] / "dist"
UNITS = ["flanneld.service", "flannel-docker.service", "flannel-docker.socket"]


@pytest.fixture
def units(tmp_path):
    """Copies whose programs exist here, so that only the units can be wrong."""
    for name in UNITS:
        text = (DIST / name).read_text(encoding="ascii")
        text = re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", text)
        text = re.sub(r"(?m)^Documentation=.*\n", "", text)
        (tmp_path / name).write_text(text, encoding="ascii")
    return tmp_path


def analyze(*words):
    done = subprocess.run(
        ["systemd-analyze", *[str(word) for word in words]],
        capture_output=True, text=True, timeout=60, check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_nothing_wrong(units, name):
    assert analyze("verify", units / name) == (0, "")


def test_the_exposure_of_flanneld_is_below_3(units):
    code, said = analyze("security", "--offline=true", "--threshold=30", units / "flanneld.service")
    assert code == 0, said
    assert float(re.search(r"exposure level for \S+: ([0-9.]+)", said)[1]) < 3.0


def test_the_state_folder_is_not_for_everybody():
    """In a folder that is open to all, every user could lock files, and so block the daemon."""
    unit = (DIST / "flanneld.service").read_text(encoding="ascii")
    assert "\nStateDirectory=flannel\n" in unit
    assert "\nStateDirectoryMode=0750\n" in unit


@pytest.mark.parametrize("name, section", [("70-flannel.network", "Match"), ("70-flannel.link", "Match")])
def test_snippets_match_our_devices_by_name(name, section):
    text = (DIST / name).read_text(encoding="ascii")
    assert f"[{section}]" in text
    globs = re.search(r"Name=(.*)", text)[1].split()
    ours = ["flannel.1", "flannel-v6.1", "fl2.1", "fl9-v6.1", "flannel0", "flannel12"]
    others = ["eth0", "flannelx", "flash.1", "fl1.1", "fl0", "cni0"]
    assert [name for name in ours + others if any(fnmatch(name, glob) for glob in globs)] == ours


def test_no_two_files_of_the_package_disagree_about_a_path():
    unit = (DIST / "flannel-docker.service").read_text(encoding="ascii")
    cmake = (DIST / "CMakeLists.txt").read_text(encoding="ascii")
    assert "exec /usr/libexec/flannel/mk-docker-opts.sh -c " in unit
    assert "install(PROGRAMS mk-docker-opts.sh DESTINATION libexec/flannel)" in cmake


def calls_of(name):
    """The system calls of one of systemd's sets, with the sets in it."""
    code, said = analyze("syscall-filter", name)
    assert code == 0, said
    words = [line.split("#")[0].strip() for line in said.splitlines()[1:]]
    found = set()
    for word in filter(None, words):
        found |= calls_of(word) if word.startswith("@") else {word}
    return found


def test_the_daemon_allows_itself_no_system_call_that_its_unit_forbids():
    """Exceptions are a further filter, which only removes calls, and fchown, for which the daemon has no capability."""
    unit = (DIST / "flanneld.service").read_text(encoding="ascii")
    allowed = set()
    for filters in re.findall(r"(?m)^SystemCallFilter=(.*)", unit):
        for word in filters.removeprefix("~").split():
            calls = calls_of(word) if word.startswith("@") else {word}
            allowed = allowed - calls if filters.startswith("~") else allowed | calls
    source = (DIST.parent / "src/kernel/process/system_calls.cc").read_text(encoding="ascii")
    own = set(re.findall(r'"(\w+)"', re.search(r"kAllowed\[\] = \{(.*?)\};", source, re.S)[1]))
    assert len(own) > 200
    assert own - allowed == {"seccomp", "fchown"}
