"""The published book builds without a warning; every page opens in a browser, also on a phone."""

import functools
import http.server
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ganmc_utils.core import paths

BROWSER = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The book built from a copy of what is published."""
    folder = tmp_path_factory.mktemp("site")
    for part in ("_config.yml", "_toc.yml", "CHANGELOG.md"):
        shutil.copy(paths.ROOT / part, folder)
    for part in ("book", "published"):
        shutil.copytree(paths.ROOT / part, folder / part)
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("jupyter-book")),
            "build",
            "-W",
            "-n",
            "--keep-going",
            str(folder),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder / "_build" / "html"


def test_the_first_page_shows_picture_and_table(site):
    page = (site / "book" / "intro.html").read_text()
    assert "idea_1.png" in page and "<table" in page and "±" in page


def test_tables_are_tables(site):
    for page in (site / "published" / "notebooks").glob("*.html"):
        text = page.read_text()
        wrong = [sign for sign in ("|:--", "Markdown object") if sign in text]
        assert "<table" in text and not wrong, f"{page.name}: {wrong}"


def test_readme_shows_the_published_table():
    table = (paths.ROOT / "published/tables/headline.md").read_text()
    assert f"<!-- headline -->\n{table}<!-- /headline -->" in (paths.ROOT / "README.md").read_text()


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width", [390, 1280])
def test_every_page_in_a_browser(site, width):
    from playwright.sync_api import sync_playwright

    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(site))
    handler.log_message = lambda *_: None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base, wrong = f"http://127.0.0.1:{server.server_port}/", []
    pages = [
        p.relative_to(site)
        for p in site.rglob("*.html")
        if "_static" not in p.parts and p.name != "index.html"
    ]  # index forwards to intro
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=BROWSER, args=FLAGS)
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.on(
            "console",
            lambda m: m.type == "error" and wrong.append(f"{page.url}: console: {m.text}"),
        )
        page.on("pageerror", lambda e: wrong.append(f"{page.url}: {e}"))
        page.on(
            "request",
            lambda r: (
                r.url.startswith(("http:", "https:"))
                and not r.url.startswith(base)
                and wrong.append(f"{page.url}: asks {r.url}")
            ),
        )
        page.on(
            "response",
            lambda r: r.status >= 400 and wrong.append(f"{page.url}: {r.status} {r.url}"),
        )
        for path in pages:
            page.goto(base + str(path), wait_until="load")
            scroll, client = page.evaluate(
                "[document.scrollingElement.scrollWidth, document.scrollingElement.clientWidth]"
            )
            if scroll > client + 1:
                wrong.append(f"{path}: {scroll} px wide on {client} px")
        browser.close()
    server.shutdown()
    assert len(pages) >= 4 and not wrong, "\n".join(wrong[:20])
