# SPDX-License-Identifier: Apache-2.0
"""Tests that boot the lab. Each boot takes 8 seconds: let one boot answer many questions."""

import os

import pytest

import lab


@pytest.fixture(scope="session")
def in_lab(require):
    """in_lab(words..., disk=GIB, out=FOLDER, env={...}): a command's result in the lab."""
    require.tool("qemu-system-x86_64")
    if not os.path.exists("/bin/busybox"):
        require.lacking("no /bin/busybox: tools/install-deps")
    return lab.run
