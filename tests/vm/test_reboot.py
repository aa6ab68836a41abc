# SPDX-License-Identifier: Apache-2.0
"""A host boots while its store is away: a virtual machine that has a state folder and a hardware clock, and loses all else.

Each boot is one of rebooted_host.py. Run by test.sh; FLANNEL_KERNEL is the folder of the kernel."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
KEPT_AT = "2026-12-01T10:00:00"  # its lease lives for a day


def boot(folder, how, clock):
    words = [HERE / "boot.py", "--limit=200", "--memory=1024", f"--keep={folder}", f"--clock={clock}", os.environ["FLANNEL_KERNEL"]]
    done = subprocess.run([*words, sys.executable, HERE / "rebooted_host.py", folder, how], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    boot(folder, "first", KEPT_AT)
    return folder


@pytest.mark.parametrize(
    "how, clock",
    [
        ("in_time", "2026-12-01T11:00:00"),
        ("with_a_wrong_clock", "2026-12-02T09:00:00"),
        ("too_late", "2026-12-02T11:00:00"),
    ],
)
def test_a_host_boots_without_its_store(first, tmp_path, how, clock):
    folder = shutil.copytree(first, tmp_path / "host")
    boot(folder, how, clock)
