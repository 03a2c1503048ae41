"""Tables of what can be chosen by name: networks, datasets, sources, objectives, series."""

from ganmc_utils.core.errors import user_error


class Registry(dict):
    """name -> function or class; what a stored result depends on is the entry, not the table.

    A stored result is keyed by the code that decides its value. Of a registry that is the entry
    that was chosen, never the whole table: adding an entry leaves all stored results valid,
    changing one makes the results of that entry alone be computed anew.

        NETWORKS = Registry(lenet=lenet, nin=nin)
        NETWORKS.entry("lenet")(width=6)
    """

    def entry(self, name: str, kind: str = "name"):
        """The entry called name.

        Args:
            name: one of the names of the table.
            kind: what the table holds, for the message: "network", "dataset".

        Raises:
            GanmcError: there is no such entry; the line lists the names.
        """
        if name not in self:
            raise user_error(name, f"unknown {kind}", f"choose one of {', '.join(self)}")
        return self[name]
