"""The files that strangers look for agree with each other."""

import re
import tomllib

import yaml

from ganmc_utils.core import paths


def read(name):
    return (paths.ROOT / name).read_text()


PROJECT = tomllib.loads(read("pyproject.toml"))["project"]
CITATION = yaml.safe_load(read("CITATION.cff"))


def test_one_version_everywhere():
    latest = re.search(r"^## ([\d.]+)", read("CHANGELOG.md"), re.MULTILINE)[1]
    assert PROJECT["version"] == CITATION["version"] == latest


def test_one_licence_and_one_name_for_the_authors():
    (author,) = PROJECT["authors"]
    assert CITATION["authors"] == [author]
    assert author["name"] in read("LICENSE")
    assert PROJECT["license"] == CITATION["license"] == "MIT"
    assert read("LICENSE").startswith("MIT License")


def test_the_paper_is_cited_as_in_the_book():
    (paper,) = CITATION["references"]
    assert f"{{{paper['title']}}}" in read("book/references.bib")
