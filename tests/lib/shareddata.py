# SPDX-License-Identifier: Apache-2.0
"""Other projects' data that tests read where it is: the folder shared/data beside the checkout."""

import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]


def path(name):
    """Where data/NAME is, or would be."""
    places = [ROOT.parent / "shared", ROOT.parent.parent / "shared"]
    if "ONGGI_SHARED" in os.environ:
        places = [pathlib.Path(os.environ["ONGGI_SHARED"])]
    found = [place / "data" / name for place in places if (place / "data" / name).exists()]
    return found[0] if found else places[0] / "data" / name
