# SPDX-License-Identifier: Apache-2.0
"""flanneld ends with 2 where another start would fail alike: systemd does not try again then."""

import os
import pathlib
import subprocess

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
FLANNELD = pathlib.Path(os.environ.get("FLANNEL_BIN_DIR") or REPOSITORY / "build/release/bin") / "flanneld"


def end_of(*flags):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLANNELD_")}
    ended = subprocess.run([FLANNELD, *flags], capture_output=True, text=True, timeout=60, check=False, env=environment)
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("flags, said", [
    (["--no-such-flag"], "no-such-flag"),
    (["--etcd-endpoints=https://192.0.2.1"], "--etcd-endpoints"),
    (["--etcd-endpoints=https://192.0.2.1:2379", "--etcd-cafile=/dev/null"], "the file is empty"),
])
def test_a_mistake_is_2(flags, said):
    code, text = end_of(*flags)
    assert said in text
    assert code == 2


@pytest.mark.parametrize("flags", [
    ["--etcd-endpoints=https://192.0.2.1:2379", "--etcd-cafile={missing}"],
    ["--etcd-username=u", "--etcd-password-file={missing}"],
])
def test_a_file_that_is_not_there_may_come_with_a_mount_and_is_1(flags, tmp_path):
    missing = tmp_path / "later" / "file"
    code, text = end_of(*[flag.format(missing=missing) for flag in flags])
    assert f"{missing}: No such file or directory" in text
    assert code == 1
