# SPDX-License-Identifier: Apache-2.0
import shutil

import pytest

from docker_opts import SHELLS, Host


@pytest.fixture(params=SHELLS)
def host(request, tmp_path):
    assert shutil.which(SHELLS[request.param][0]), f"{request.param} is not installed"
    return Host(tmp_path, SHELLS[request.param])
