"""Sphinx extension: leave out the live-kernel scripts of the theme. The book does not use them, they name a
server on the net, and they come twice, which a browser reports as an error on every page."""


def drop(app, page, template, context, doctree):
    def is_thebe(script):
        return (
            "thebe"
            in f"{getattr(script, 'filename', '')} {getattr(script, 'attributes', {}).get('body', '')}".lower()
        )

    context["script_files"] = [s for s in context.get("script_files", []) if not is_thebe(s)]


def setup(app):
    app.connect("html-page-context", drop, priority=900)
    return {"parallel_read_safe": True}
