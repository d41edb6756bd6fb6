# SPDX-License-Identifier: Apache-2.0
"""The fixtures are in tests/conftest.py: the lab's tests share them."""
