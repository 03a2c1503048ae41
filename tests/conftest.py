"""The real data beside the project serve every test, unless GANMC_DATA names others."""

import os

from ganmc_utils.core.paths import ROOT

BESIDE = ROOT.parent / "shared" / "data"
if BESIDE.is_dir():
    os.environ.setdefault("GANMC_DATA", str(BESIDE))
