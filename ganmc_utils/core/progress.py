"""The progress bar of whatever takes long: text in a terminal, a widget in a notebook.

GANMC_PROGRESS=text asks for text in a notebook, too, which papermill can pass on to a terminal.
"""

import os

from tqdm import auto, std

tqdm = std.tqdm if os.environ.get("GANMC_PROGRESS") == "text" else auto.tqdm
