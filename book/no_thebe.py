"""Sphinx extension: leave out the live-kernel scripts of the theme.

The book does not use them, they name a server on the net, and they come twice, which a browser
reports as an error on every page.
"""


def is_thebe(script) -> bool:
    """Whether a script of the page belongs to the live kernel."""
    body = getattr(script, "attributes", {}).get("body", "")
    return "thebe" in f"{getattr(script, 'filename', '')} {body}".lower()


def drop(app, page, template, context, doctree):
    """Keep the scripts that are not the live kernel's."""
    scripts = context.get("script_files", [])
    context["script_files"] = [script for script in scripts if not is_thebe(script)]


def setup(app):
    """Called by Sphinx; after the theme has added its scripts."""
    app.connect("html-page-context", drop, priority=900)
    return {"parallel_read_safe": True}
