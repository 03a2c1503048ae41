"""The real data beside the project serve every test, unless GANMC_DATA names others."""

import os

from ganmc_utils.core.paths import ROOT

DATA_BESIDE_THE_PROJECT = ROOT.parent / "shared" / "data"
if DATA_BESIDE_THE_PROJECT.is_dir():
    os.environ.setdefault("GANMC_DATA", str(DATA_BESIDE_THE_PROJECT))
