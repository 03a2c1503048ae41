"""Copy the published headline table into README.md, between its markers."""

import pathlib

from ganmc_utils.core.paths import write_atomically

root = pathlib.Path(__file__).parents[1]
readme, table = root / "README.md", (root / "published/tables/headline.md").read_text()
before, _, rest = readme.read_text().partition("<!-- headline -->\n")
after = rest.partition("<!-- /headline -->")[2]
write_atomically(readme, f"{before}<!-- headline -->\n{table}<!-- /headline -->{after}")
