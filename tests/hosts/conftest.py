# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the hosts tests. The report of a failed test shows the output of the lab's programs."""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from lab import Lab, Run  # noqa: E402


def pytest_collection_modifyitems(items):
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
