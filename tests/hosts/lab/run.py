# SPDX-License-Identifier: Apache-2.0
"""One run of the tests: a name that no other run has, a folder, and a reaper."""

import os
import pathlib
import subprocess
import sys
import tempfile


class Run:
    def __init__(self):
        self.prefix = f"fl-{os.getpid()}-"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=self.prefix))
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
