"""Tables of what can be chosen by name: networks, datasets, sources, objectives, series.

Beside the names of a table, "my.py:Net" names what a file of the user's own defines.
"""

import hashlib
import importlib.util
import sys
from pathlib import Path

from ganmc_utils.core.errors import own_code, user_error


class Registry(dict):
    """name -> function or class; what a stored result depends on is the entry, not the table.

    A stored result is keyed by the code that decides its value. Of a registry that is the entry
    that was chosen, never the whole table: adding an entry leaves all stored results valid,
    changing one makes the results of that entry alone be computed anew. The same holds for an entry
    of the user's own file: the key has its code and that of all it uses from that file.

        NETWORKS = Registry(lenet=lenet, nin=nin)
        NETWORKS.entry("lenet")(width=6)
        NETWORKS.entry("my.py:Net")(width=6)
    """

    def entry(self, name: str, kind: str = "name"):
        """The entry called name.

        Args:
            name: one of the names of the table, or "file.py:name".
            kind: what the table holds, for the message: "network", "dataset".

        Raises:
            GanmcError: there is no such entry; the line lists the names.
        """
        if not isinstance(name, str) or name not in self:
            raise user_error(name, f"unknown {kind}", f"choose one of {', '.join(self)}")
        return self[name]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or is_own(name)

    def __missing__(self, name: str):
        if not is_own(name):
            raise KeyError(name)
        return own_entry(name)


def is_own(name: object) -> bool:
    """Whether a name is that of something in a file of the user's own: "my.py:Net"."""
    file, _, attribute = str(name).rpartition(":")
    return file.endswith(".py") and attribute.isidentifier()


def own_entry(name: str):
    """What "my.py:Net" names; a relative path begins where the program runs.

    The module bears a hash of the file, so that an edited file is read again.

    Raises:
        GanmcError: the file cannot be read or fails, or does not define the name.
    """
    file, _, attribute = name.rpartition(":")
    path = Path(file)
    try:
        path = path.expanduser().resolve()
        content = path.read_bytes()
    except (OSError, RuntimeError, ValueError) as failed:  # no such home, loop of links, NUL
        problem = f"cannot be read ({getattr(failed, 'strerror', None) or failed})"
        raise user_error(path, problem, "name a file of yours, my.py:Net") from None
    module_name = f"own_{path.stem}_{hashlib.sha256(content).hexdigest()[:16]}"
    if module_name not in sys.modules:
        specification = importlib.util.spec_from_file_location(module_name, path)
        module = importlib.util.module_from_spec(specification)
        sys.modules[module_name] = module
        with own_code(path, "mend it", "fails when it is imported"):
            try:
                specification.loader.exec_module(module)
            except BaseException:
                del sys.modules[module_name]
                raise
    module = sys.modules[module_name]
    entry = vars(module).get(attribute)
    if getattr(entry, "__module__", "") != module_name:
        problem = f"does not define {attribute}"
        raise user_error(path, problem, "name one of its own functions or classes")
    return entry
