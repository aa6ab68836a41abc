# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the hosts tests. The report of a failed test shows the output of the lab's programs."""

import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from lab import Lab, Run  # noqa: E402


# The backends that need what a kernel may lack, with words of `ip` by which that is made.
KINDS = {
    "ipip": "link add fl-try type ipip local 192.0.2.1",
    "wireguard": "link add fl-try type wireguard",
    "ipsec": "xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 1 mode tunnel"
             f" aead rfc4106(gcm(aes)) 0x{'00' * 20} 128",
}  # fmt: skip


def has_kind(kind):
    """Whether this kernel has, or can load, what a backend needs."""
    words = ["unshare", "-n", "ip", *KINDS[kind].split()]
    return subprocess.run(words, capture_output=True).returncode == 0


def needs(item, kind):
    values = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return item.path.stem.startswith(f"test_{kind}") or kind in values


def pytest_collection_modifyitems(config, items):
    """Tests of a backend are those of the level vm where the kernel of this machine lacks what that needs."""
    for kind in KINDS:
        concerned = [item for item in items if needs(item, kind)]
        if concerned and not has_kind(kind):
            config.hook.pytest_deselected(items=concerned)
            items[:] = [item for item in items if item not in concerned]
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
