"""Sphinx extension: the directive `package-code`, which shows lines of the package on a page.

    ```{package-code} networks.objectives.logit_matching
    ```

shows the source of that function of ganmc_utils under the path of its file, its docstring shortened
to one line, so that page and code cannot differ.
"""

import inspect
import textwrap
from pathlib import Path
from pydoc import locate

from docutils import nodes
from sphinx.directives.code import container_wrapper
from sphinx.util.docutils import SphinxDirective

from ganmc_utils.core import paths
from ganmc_utils.report.text import short_source


class PackageCode(SphinxDirective):
    """The source of a function, method or class of the package."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The code with its file as caption.

        Raises:
            ExtensionError: the package has no such name; Sphinx says where.
        """
        name = self.arguments[0]
        thing = locate(f"ganmc_utils.{name}")
        if thing is None:
            raise self.error(f"ganmc_utils has no {name}")
        file = Path(inspect.getsourcefile(thing))
        self.env.note_dependency(str(file))
        source = short_source(textwrap.dedent(inspect.getsource(thing)))
        code = nodes.literal_block(source, source, language="python")
        return [container_wrapper(self, code, f"`{file.relative_to(paths.ROOT)}`")]


def setup(app):
    """Called by Sphinx."""
    app.add_directive("package-code", PackageCode)
    return {"parallel_read_safe": True}
