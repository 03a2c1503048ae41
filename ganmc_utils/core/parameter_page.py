"""The page of the book that explains every parameter.

    python -m ganmc_utils.core.parameter_page > book/parameters.md

Types and meanings come from the classes in ganmc_utils.core.parameters, defaults from the
notebooks' parameter cells. A test holds the file equal to this output.
"""

import inspect
from typing import Any

import yaml

from ganmc_utils.core.parameters import (
    NOTEBOOKS,
    NetworkModels,
    ParameterGroup,
    Parameters,
    notebook_defaults,
)

INTRODUCTION = """\
# Parameters

Every notebook has a cell of parameters. `papermill notebooks/X.ipynb out.ipynb -f mine.yml`
replaces those that `mine.yml` names, and `-p NAME VALUE` replaces a single one. The files in
`profiles/` name all of them, so that each is a complete example. An unknown or wrong parameter
stops the run with one line.

The defaults below are those of the smoke test, which proves the machinery on small data. They are
neither the paper's settings (`profiles/paper/`) nor those of the results in this book
(`profiles/laptop/`); where the paper says what it uses, so does the description.
"""
GROUPS = """\
## Groups

Some parameters are dictionaries, or lists of them. A group is always replaced as a whole: papermill
does not merge the fields that you give with those of the notebook.
"""
JSON_TYPES = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "null": "`null`",
}
PLURALS = {"integer": "whole numbers", "number": "numbers", "string": "texts"}
BOUNDS = {
    "exclusiveMinimum": "above {}",
    "minimum": "at least {}",
    "maximum": "at most {}",
}


def parameter_page() -> str:
    """The page book/parameters.md: MyST Markdown."""
    sections = [INTRODUCTION, shared_by_all(), shared_by_network_chapters()]
    sections += [section_of_notebook(notebook) for notebook in NOTEBOOKS]
    sections.append(GROUPS)
    sections += [section_of_group(group) for group in parameter_groups()]
    return "\n".join(sections)


def shared_by_all() -> str:
    """The section of what every notebook takes."""
    table = notebook_table(Parameters, set(), notebook_defaults("08_scoreboard"))
    return f"## All notebooks\n\n{table}"


def shared_by_network_chapters() -> str:
    """The section of what chapters 00 to 05 and 07 take, with the same defaults."""
    defaults = notebook_defaults("00_teachers_and_gan")
    table = notebook_table(NetworkModels, set(Parameters.model_fields), defaults)
    return f"## The chapters on networks: 00 to 05 and 07\n\n{table}"


def section_of_notebook(notebook: str) -> str:
    """The section of one notebook, without what it shares with others."""
    model = NOTEBOOKS[notebook]
    shared = Parameters
    others = "the parameters of all notebooks"
    if issubclass(model, NetworkModels):
        shared = NetworkModels
        others += " and of the chapters on networks"
    sentence = f"## Chapter {notebook[:2]}\n\n`{notebook}` takes {others}"
    if set(model.model_fields) == set(shared.model_fields):
        return f"{sentence}.\n"
    table = notebook_table(model, set(shared.model_fields), notebook_defaults(notebook))
    return f"{sentence}, and these:\n\n{table}"


def notebook_table(model: type[ParameterGroup], shared: set[str], defaults: dict) -> str:
    """The table of a notebook's parameters but the shared ones, then its dictionaries as YAML."""
    schema = model.model_json_schema()
    rows, dictionaries = [], {}
    for name, field in schema["properties"].items():
        if name in shared:
            continue
        default = f"`{as_yaml(defaults[name])}`"
        if holds_dictionaries(defaults[name]):
            dictionaries[name] = defaults[name]
            default = "below"
        rows.append((name, type_in_words(field), default, field["description"]))
    table = markdown_table(rows)
    if not dictionaries:
        return table
    lines = yaml.safe_dump(dictionaries, default_flow_style=None, sort_keys=False, width=88)
    return f"{table}\n```yaml\n{lines}```\n"


def section_of_group(group: type[ParameterGroup]) -> str:
    """The section of a dictionary among the parameters."""
    schema = group.model_json_schema()
    rows = []
    for name, field in schema["properties"].items():
        default = f"`{as_yaml(field['default'])}`" if "default" in field else "required"
        rows.append((name, type_in_words(field), default, field["description"]))
    name = group.__name__
    return f"({target_of(name)})=\n### {name}\n\n{inspect.getdoc(group)}\n\n{markdown_table(rows)}"


def parameter_groups() -> list[type[ParameterGroup]]:
    """The classes of dictionaries among the parameters, in the order of the notebooks."""
    names = {}
    for model in NOTEBOOKS.values():
        names |= dict.fromkeys(model.model_json_schema().get("$defs", {}))
    classes = {group.__name__: group for group in ParameterGroup.__subclasses__()}
    return [classes[name] for name in names]


def markdown_table(rows: list[tuple[str, str, str, str]]) -> str:
    """A Markdown table of (name, type, default, meaning)."""
    lines = ["| Parameter | Type | Default | Meaning |", "|:--|:--|:--|:--|"]
    for name, kind, default, meaning in rows:
        lines.append(f"| `{name}` | {kind} | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


def type_in_words(schema: dict[str, Any]) -> str:
    """What a JSON schema allows, such as "whole number above 0"."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{name}]({target_of(name)})"
    if "anyOf" in schema:
        return " or ".join(type_in_words(choice) for choice in schema["anyOf"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        *others, last = (f"`{choice}`" for choice in schema["enum"])
        return f"{', '.join(others)} or {last}"
    if schema["type"] == "array":
        return list_in_words(schema)
    if schema["type"] == "object":
        return "for each series, a " + type_in_words(schema["additionalProperties"])
    bounds = [words.format(schema[key]) for key, words in BOUNDS.items() if key in schema]
    return " ".join([JSON_TYPES[schema["type"]], ", ".join(bounds)]).strip()


def list_in_words(schema: dict[str, Any]) -> str:
    """What a JSON schema of a list allows."""
    items = type_in_words(schema["items"])
    kind = schema["items"].get("type", "")
    if kind in PLURALS and "enum" not in schema["items"]:
        items = items.replace(JSON_TYPES[kind], PLURALS[kind], 1)
    return f"list of {items}"


def holds_dictionaries(value: Any) -> bool:
    """Whether a default is too long for a cell of the table."""
    if isinstance(value, list):
        return any(isinstance(item, dict) for item in value)
    return isinstance(value, dict)


def as_yaml(value: Any) -> str:
    """A value on one line, as it stands in a parameter file."""
    if value == "":
        return '""'
    text = yaml.safe_dump(value, default_flow_style=True, width=float("inf"))
    return text.removesuffix("\n").removesuffix("\n...")


def target_of(name: str) -> str:
    """The label by which the page refers to a group."""
    return f"parameters-{name.lower()}"


if __name__ == "__main__":
    print(parameter_page(), end="")
