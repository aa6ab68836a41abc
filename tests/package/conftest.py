# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from machine import Machine, Root, another_version, base_tree, build_package, field  # noqa: E402


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="a machine of its own needs root"))


@pytest.fixture(scope="session")
def package():
    return build_package()


@pytest.fixture(scope="session")
def next_package(package, tmp_path_factory):
    return another_version(package, "9.9.9", tmp_path_factory.mktemp("next"))


@pytest.fixture(scope="session")
def base(package):
    return base_tree(field(package, "Depends"))


@pytest.fixture
def root(base, package, next_package, tmp_path):
    root = Root(base, tmp_path)
    root.bring(package, "flannel.deb")
    root.bring(next_package, "next.deb")
    yield root
    root.close()


@pytest.fixture
def machine(root, tmp_path):
    machine = Machine(root, tmp_path / "console.log")
    try:
        machine.boot()
        yield machine
    finally:
        machine.close()
