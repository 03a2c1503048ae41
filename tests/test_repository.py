"""One address in _config.yml gives the pages their links to Binder, Colab, notebook and code."""

import json
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup
from helpers import record, row

from ganmc_utils.core import paths
from ganmc_utils.report import findings

sys.path.insert(0, str(paths.ROOT / "book"))

import repository  # noqa: E402  its folder is added above

CHAPTER = "06_random_forests"
ADDRESS = "https://github.com/someone/gan-mc"
PAGES = {
    "_toc.yml": f"format: jb-book\nroot: book/a\nchapters:\n- file: published/notebooks/{CHAPTER}",
    "book/a.md": "# First\n\n{{ in_the_browser }}\n",
    f"published/notebooks/{CHAPTER}.ipynb": json.dumps(
        {
            "cells": [
                {
                    "cell_type": "markdown",
                    "id": "a",
                    "metadata": {},
                    "source": "# Chapter\n\n{{ ran_on_06 }}",
                }
            ],
            "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    ),
}


@pytest.fixture(scope="module")
def soups(tmp_path_factory):
    """A book of two pages with the project's own configuration and an address: page, chapter."""
    folder = tmp_path_factory.mktemp("book")
    config = yaml.safe_load((paths.ROOT / "_config.yml").read_text())
    config["repository"]["url"] = f"{ADDRESS}/"
    shutil.copytree(paths.ROOT / "book", folder / "book", ignore=shutil.ignore_patterns("*.md"))
    (folder / "published" / "notebooks").mkdir(parents=True)
    for name, text in (PAGES | {"_config.yml": yaml.safe_dump(config)}).items():
        (folder / name).write_text(text)
    (folder / "published" / "records").mkdir()
    shutil.copy(paths.ROOT / f"published/records/{CHAPTER}.json", folder / "published" / "records")
    command = [Path(sys.executable).with_name("jupyter-book"), "build", "-W", "-n", "--keep-going"]
    done = subprocess.run([*command, folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    pages = ("book/a", f"published/notebooks/{CHAPTER}")
    return [
        BeautifulSoup((folder / f"_build/html/{page}.html").read_text(), "html.parser")
        for page in pages
    ]


def links_of(soup):
    return {link["href"] for link in soup.find_all("a", href=True)}


def test_a_chapter_has_buttons_and_links(soups):
    _, chapter = soups
    file = f"notebooks/{CHAPTER}.ipynb"
    assert links_of(chapter) >= {
        f"https://mybinder.org/v2/gh/someone/gan-mc/main?urlpath=lab/tree/{file}",
        f"https://colab.research.google.com/github/someone/gan-mc/blob/main/{file}",
        f"{ADDRESS}/tree/main/{file}",
        f"{ADDRESS}/tree/main/ganmc_utils",
    }


def test_a_page_that_is_no_notebook_says_how_to_open_chapters(soups):
    page, _ = soups
    assert not any("mybinder" in link or "colab" in link for link in links_of(page))
    assert f"git clone -q {ADDRESS} book" in page.article.get_text()


def configured(url):
    """The project's options of the theme with that address."""
    options = {"repository_url": url, "repository_branch": "main", "launch_buttons": {}}
    config = types.SimpleNamespace(html_theme_options=options, myst_substitutions={})
    repository.add_options(None, config)
    return config


def test_without_an_address_there_is_nothing():
    config = configured("")
    assert config.html_theme_options["launch_buttons"] == {}
    assert config.myst_substitutions == {"in_the_browser": ""}
    assert repository.tree(config) == ""


def test_colab_reads_github_alone():
    buttons = configured("https://gitlab.com/someone/gan-mc").html_theme_options["launch_buttons"]
    assert buttons == {"binderhub_url": "https://mybinder.org"}


def test_the_links_lead_to_files_of_the_repository():
    line = findings.ran_on(record([row()]).model_copy(update={"notebook": CHAPTER}), "tree")
    files = [part.split(")")[0] for part in line.split("](tree/")[1:]]
    assert len(files) == 2 and all((paths.ROOT / file).exists() for file in files)


def test_binder_has_a_python_that_the_package_takes():
    binder = paths.ROOT / ".binder"
    version = (binder / "runtime.txt").read_text().removeprefix("python-").split(".")
    assert tuple(map(int, version)) >= (3, 11)
    assert (binder / "postBuild").stat().st_mode & 0o111
