# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the hosts tests. The report of a failed test shows the output of the lab's programs."""

import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from lab import Lab, Run  # noqa: E402


def has_ipip():
    """Whether this kernel has, or can load, the devices of the ipip backend."""
    made = subprocess.run(
        ["unshare", "-n", "ip", "link", "add", "fl-try", "type", "ipip", "local", "192.0.2.1"], capture_output=True
    )
    return made.returncode == 0


def needs_ipip(item):
    values = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return item.path.name == "test_ipip.py" or "ipip" in values


def pytest_collection_modifyitems(config, items):
    """Tests of the backend ipip are those of the level vm where the kernel of this machine lacks it."""
    if any(map(needs_ipip, items)) and not has_ipip():
        config.hook.pytest_deselected(items=list(filter(needs_ipip, items)))
        items[:] = [item for item in items if not needs_ipip(item)]
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="network namespaces need root"))


@pytest.fixture(scope="session")
def lab_run():
    run = Run()
    yield run
    run.close()


@pytest.fixture
def lab(lab_run):
    lab = Lab(lab_run)
    yield lab
    lab.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    lab = getattr(item, "funcargs", {}).get("lab")
    if report.failed and lab and lab.folder.exists():
        report.sections += lab.logs()
