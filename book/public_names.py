"""Sphinx extension: the reference of the public names, from the package's own docstrings.

The page book/api.md holds the line LISTING, in whose place the map of `help(ganmc_utils)` is put:
its headings, and each name with its signature and docstring. So the page cannot differ from the
package.
"""

import re

import ganmc_utils

PAGE = "book/api"
LISTING = "<!-- public names -->"
HEADING = re.compile(r"(?m)^(\S.*)\n\n((?:  \S+\n      .*\n?)+)")
SECTION = re.compile(r"(Args|Attributes|Raises|Returns|Yields):$")
RESULTS = ("Returns:", "Yields:")
NAMED_RESULT = re.compile(r"^    (\w+): ")  # several results, each with its name
NAMED_FIELD = re.compile(r"^[a-z][\w*]*: (?=\S)")  # a field of a dataclass
MODULE = re.compile(r"~?\b(?:[a-z_]\w*\.)+(?=\w)")  # before the name of a class
INLINE_CODE = re.compile(r"(`[^`]+`)")


def listing() -> str:
    """The headings of the package's map, and a directive for each of their names."""
    parts = []
    for heading, names in HEADING.findall(ganmc_utils.__doc__):
        parts.append(f"## {heading}\n")
        parts += [directive(name) for name in re.findall(r"(?m)^  (\S+)$", names)]
    return "\n".join(parts)


def directive(name: str) -> str:
    """What documents one public name."""
    if isinstance(getattr(ganmc_utils, name), type):
        body = f".. autoclass:: ganmc_utils.{name}\n   :members:"
    else:
        body = f".. autofunction:: ganmc_utils.{name}"
    return f"```{{eval-rst}}\n{body}\n```\n"


def put_listing(app, page, source) -> None:
    """Put the listing into the page that asks for it."""
    if page == PAGE:
        source[0] = source[0].replace(LISTING, listing())


def as_restructured_text(app, what, name, thing, options, lines: list[str]) -> None:
    """Mark what a plain docstring means: indented lines are literal, `words` are code.

    Sections such as Args are left to napoleon, which is called after this.
    """
    marked = []
    section = ""
    is_literal = False
    for line in lines:
        is_indented = line.startswith("    ")
        if line.strip() and not is_indented:
            section = line if SECTION.match(line) else ""
            is_literal = False
        if is_indented and not section and not is_literal and not marked[-1].strip():
            marked += ["::", ""]
            is_literal = True
        if section in RESULTS:
            marked.append(line_of_results(line))
        elif section or is_literal:
            marked.append(line if is_literal else escaped(line))
        else:
            marked.append(line_of_text(line, marked))
    lines[:] = marked


def line_of_text(line: str, before: list[str]) -> str:
    """A line outside the sections; `name: text` begins an item, which goes on to an empty line."""
    if before and NAMED_FIELD.match(line):
        name, _, text = line.partition(": ")
        return f"- {escaped(name)}: {escaped(text)}"
    goes_on = line and before and before[-1].startswith(("- ", "  "))
    return f"  {escaped(line)}" if goes_on else escaped(line)


def line_of_results(line: str) -> str:
    """A line of the section Returns or Yields: a field, in which `name: text` begins an item."""
    if line in RESULTS:
        return f":{line.lower()}"
    if NAMED_RESULT.match(line):
        return escaped(NAMED_RESULT.sub(r"    - \1: ", line))
    return escaped(line.replace(" " * 8, " " * 6, 1))


def escaped(line: str) -> str:
    """A line whose stars, bars and final underscores are letters, and whose `words` are code."""
    parts = INLINE_CODE.split(line)
    for i, part in enumerate(parts):
        if i % 2:
            parts[i] = f"`{part}`"
        else:
            parts[i] = re.sub(r"([*|]|_\b|\b_)", r"\\\1", part)
    return "".join(parts)


def short_types(app, what, name, thing, options, signature, returned):
    """The types of a signature without their modules, which autodoc leaves in some."""
    return tuple(part and MODULE.sub("", part) for part in (signature, returned))


def setup(app):
    """Called by Sphinx."""
    app.connect("source-read", put_listing)
    app.connect("autodoc-process-signature", short_types)
    app.connect("autodoc-process-docstring", as_restructured_text, priority=400)
    return {"parallel_read_safe": True}
