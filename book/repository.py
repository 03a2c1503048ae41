"""Sphinx extension: what links to the repository, once _config.yml has its address.

With `repository: url` of _config.yml empty there is none of it. With an address the pages have
buttons for the repository and its issues, and the chapters open on Binder, and on Colab where the
address is on GitHub. The notebook that opens is that of notebooks/, at the settings of the smoke
test, and not the executed one that the page was made from.
"""

SERVICES = {
    "binderhub_url": "https://mybinder.org",
    "colab_url": "https://colab.research.google.com",
}
EXECUTED, SOURCE = "/published/notebooks/", "/notebooks/"
IN_THE_BROWSER = """\
**In the browser.** The rocket above a chapter opens its notebook on Binder or Colab, at the
settings of the smoke test. Binder installs the package; on Colab, run these lines first, in a cell
of their own:

```
!git clone -q {address} book
%cd book
%pip install -q -e .
```
"""


def address(config) -> str:
    """The address of the repository, "" where none is set."""
    return config.html_theme_options.get("repository_url", "").rstrip("/")


def tree(config) -> str:
    """Where the repository's files are read, "" where no address is set."""
    url = address(config)
    return f"{url}/tree/{config.html_theme_options['repository_branch']}" if url else ""


def add_options(app, config):
    """Give the theme its buttons, and the pages the words {{ in_the_browser }} about them."""
    url = address(config)
    words = IN_THE_BROWSER.format(address=url) if url else ""
    config.myst_substitutions = {**config.myst_substitutions, "in_the_browser": words}
    if not url:
        return
    services = SERVICES if "github.com" in url else {"binderhub_url": SERVICES["binderhub_url"]}
    options = config.html_theme_options
    config.html_theme_options = options | {
        "launch_buttons": options["launch_buttons"] | services,
        "use_repository_button": True,
        "use_issues_button": True,
    }


def open_source(app, page, template, context, doctree):
    """Lead the buttons to the notebooks' own files."""
    for group in context.get("header_buttons", []):
        for button in group.get("buttons", []):
            if button.get("text") in ("Binder", "Colab"):
                button["url"] = button["url"].replace(EXECUTED, SOURCE)


def setup(app):
    """Called by Sphinx; before the theme reads its options, and after it has made the buttons."""
    app.connect("config-inited", add_options)
    app.connect("html-page-context", open_source, priority=900)
    return {"parallel_read_safe": True}
