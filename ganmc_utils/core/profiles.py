"""Parameter files: read strictly, and a whole profile checked before its first chapter starts.

    python -m ganmc_utils.core.profiles laptop

PyYAML takes the last of two values for one key and says nothing. It is told of as a mistake.
"""

from __future__ import annotations

import argparse
import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import yaml

from ganmc_utils.core import parameters, paths
from ganmc_utils.core.errors import GanmcError, user_error

if TYPE_CHECKING:
    from ganmc_utils.core.records import Record

OF_THE_MACHINE = {"profile", "out_dir", "data_dir", "device", "compile"}
QUICK = "quick"  # the settings of the notebooks themselves, which need no file
FILE_OPTIONS = ("-f", "--parameters_file")  # of papermill


def settings(given: dict) -> dict:
    """Parameters but for what is left to the machine."""
    return {name: given[name] for name in given.keys() - OF_THE_MACHINE}


@cache
def smoke_test_settings(notebook: str) -> dict:
    """The settings of a notebook that is given no profile."""
    defaults = parameters.notebook_defaults(notebook)
    return settings(parameters.check_dict(notebook, defaults).model_dump())


def is_smoke_test(record: Record) -> bool:
    """Whether a record is of the smoke test's settings, under whatever name.

    The scoreboard has no settings of its own; its name decides.
    """
    used = settings(record.parameters)
    has_settings = bool(used) and record.notebook in parameters.NOTEBOOKS
    is_of_notebook = has_settings and used == smoke_test_settings(record.notebook)
    return record.profile == QUICK or is_of_notebook


class StrictLoader(yaml.SafeLoader):
    """YAML in which a key stands once; it makes plain values only, never an object."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        """A dict of the node.

        Raises:
            yaml.YAMLError: a key is there twice, or is no name.
        """
        names = [key.value for key, _ in node.value]
        for key, _ in node.value:
            if names.count(key.value) > 1:
                line = key.start_mark.line + 1
                raise yaml.YAMLError(f"line {line}: the key {key.value} is there twice")
        mapping = super().construct_mapping(node, deep)
        for key in mapping:
            if not isinstance(key, str):
                line = node.start_mark.line + 1
                raise yaml.YAMLError(f"line {line}: the key {key} is no name")
        return mapping


def read(path: Path) -> dict:
    """The parameters that a YAML file gives.

    Raises:
        GanmcError: it cannot be read, is no YAML, names a key twice or holds no `name: value`.
    """
    try:
        given = yaml.load(Path(path).read_text(encoding="utf-8"), StrictLoader)
    except OSError as failed:
        raise user_error(path, f"cannot be read ({failed.strerror})", "correct the path") from None
    except (yaml.YAMLError, ValueError, RecursionError) as failed:
        problem = f"cannot be read as YAML ({failed})"
        raise user_error(path, problem, "write `name: value` lines, each name once") from None
    if not isinstance(given or {}, dict):
        kind = type(given).__name__
        raise user_error(path, f"holds a {kind}, no parameters", "write `name: value` lines")
    return given or {}


def known_profiles() -> list[str]:
    """The profiles that can be run."""
    folders = {file.parent.name for file in paths.ROOT.glob("profiles/*/[0-9]*.yml")}
    return [QUICK, *sorted(folders)]


def check(profile: str) -> None:
    """Check that there is such a profile, and all its files.

    Raises:
        GanmcError: there is none, or a file has a mistake; one line.
    """
    if profile not in known_profiles():
        raise user_error(
            f"PROFILE={profile}", "no such profile", f"choose one of {', '.join(known_profiles())}"
        )
    for notebook in parameters.NOTEBOOKS:
        path = paths.ROOT / "profiles" / profile / f"{notebook}.yml"
        if not path.exists():
            continue
        given = read(path)
        try:
            parameters.check_dict(notebook, parameters.notebook_defaults(notebook) | given)
        except GanmcError as failed:
            raise GanmcError(f"{path.relative_to(paths.ROOT)}: {failed}") from None


def check_files_of_papermill() -> None:
    """Read the files after papermill's -f strictly, where this notebook was run by papermill.

    Raises:
        GanmcError: see read.
    """
    try:
        runner = psutil.Process(os.getppid())
        words, folder = runner.cmdline(), Path(runner.cwd())
    except (psutil.Error, OSError):
        return
    if any(Path(word).name == "papermill" for word in words[:3]):
        for option, path in zip(words, words[1:]):
            if option in FILE_OPTIONS and (folder / path).is_file():
                read(folder / path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=check.__doc__.splitlines()[0])
    parser.add_argument("profile", nargs="?", default=QUICK)
    try:
        check(parser.parse_args().profile)
    except GanmcError as failed:
        sys.exit(f"GanmcError: {failed}")
