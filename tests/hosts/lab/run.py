# SPDX-License-Identifier: Apache-2.0
"""One run of the tests: a name that no other run has, a folder, and a reaper."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile


MEMORY = "/dev/shm"
ENOUGH = 6 << 30  # bytes; an etcd allocates 128 MB, and eight labs may run at once


def fast_folder():
    """Where the labs are, in memory if it is large enough: stores wait at each write until the disk has it,
    and a disk that is busy with a build takes many seconds. None: the usual folder of temporary files."""
    has_room = os.path.isdir(MEMORY) and shutil.disk_usage(MEMORY).free >= ENOUGH
    return MEMORY if has_room else None


class Run:
    def __init__(self):
        self.prefix = f"fl-{os.getpid()}-"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=self.prefix, dir=fast_folder()))
        self._labs = 0
        reaper = pathlib.Path(__file__).with_name("reaper.py")
        self._reaper = subprocess.Popen(
            [sys.executable, reaper, self.prefix, self.folder],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def next_lab(self):
        """Returns (prefix of namespace names, folder) of the next lab."""
        self._labs += 1
        folder = self.folder / str(self._labs)
        folder.mkdir()
        return f"{self.prefix}{self._labs}-", folder

    def close(self):
        self._reaper.stdin.close()
        self._reaper.wait()
