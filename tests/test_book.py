"""The published book builds without a warning; every page is read in a browser, also on a phone."""

import functools
import http.server
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from bs4 import BeautifulSoup

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


def test_nothing_opens_elsewhere_while_no_repository_has_an_address(site):
    pages = "".join((site / path).read_text() for path in pages_of(site))
    assert "mybinder" not in pages and "colab.research" not in pages


def test_tables_are_tables(site):
    for page in (site / "published" / "notebooks").glob("*.html"):
        soup = BeautifulSoup(page.read_text(), "html.parser")
        for code in soup.find_all("pre"):
            code.decompose()
        wrong = [sign for sign in ("|:--", "Markdown object") if sign in soup.get_text()]
        assert soup.find("table") and not wrong, f"{page.name}: {wrong}"


def test_readme_shows_the_published_table():
    table = (paths.ROOT / "published/tables/headline.md").read_text()
    assert f"<!-- headline -->\n{table}<!-- /headline -->" in (paths.ROOT / "README.md").read_text()


LARGEST_PAGE = 3 << 20  # bytes
LEAST_CONTRAST = 4.5  # WCAG 2, AA

# What a browser sees of a page, everything unfolded.
READ = """() => {
  document.querySelectorAll('details').forEach(part => part.open = true);
  const boxes = 'table, pre, .highlight, .cell_output, .pst-scrollable-table-container';
  const cut = [...document.querySelectorAll('article :is(' + boxes + ')')].filter(box =>
    box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX != 'visible');
  const page = document.scrollingElement;
  return {
    width: page.scrollWidth, room: page.clientWidth,
    cut: cut.map(box => box.innerText.slice(0, 60)),
    cutTables: cut.filter(box => !box.matches('pre, .highlight') && box.querySelector('td'))
      .map(box => box.innerText.slice(0, 60)),
    images: [...document.images].map(i => ({alt: i.alt, pixels: i.naturalWidth})),
  };
}"""

# Text of too little contrast against the nearest background behind it, once the page is dark.
READ_DARK = """least => {
  const channels = colour => colour.match(/[\\d.]+/g).map(Number);
  const part = c => c <= 10.31475 ? c / 3294.6 : ((c / 255 + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = channels(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] > 0.5) return light(colour);
    }
    return 1;
  };
  const contrast = element => {
    const sides = [light(channels(getComputedStyle(element).color)), behind(element)];
    return (Math.max(...sides) + 0.05) / (Math.min(...sides) + 0.05);
  };
  const words = 'article :is(p, li, th, td, figcaption, summary, h1, h2, h3)';
  return [...document.querySelectorAll(words)]
    .filter(element => element.innerText.trim() && contrast(element) < least)
    .map(element => contrast(element).toFixed(1) + ' ' + element.innerText.slice(0, 40));
}"""

FIRST_SCREEN = """() => {
  const bottom = element => element.getBoundingClientRect().bottom;
  const parts = ['article h1', 'article h1 ~ p'].map(part => document.querySelector(part));
  return [...parts, ...document.querySelectorAll('article img[src*=idea]')].map(bottom);
}"""


def pages_of(site):
    """The pages of the book; index forwards to the first."""
    files = [file for file in site.rglob("*.html") if "_static" not in file.parts]
    return sorted(file.relative_to(site) for file in files if file.name != "index.html")


@pytest.fixture(scope="module")
def address(site):
    """Where the book is served."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(site))
    handler.log_message = lambda *_: None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


def listen(page, address, complaints):
    """Note what a page says on the console, what fails, and what it asks of others."""

    def on_console(message):
        if message.type == "error":
            complaints.append(f"{page.url}: console: {message.text}")

    def on_request(request):
        is_elsewhere = request.url.startswith(("http:", "https:"))
        if is_elsewhere and not request.url.startswith(address):
            complaints.append(f"{page.url}: asks {request.url}")

    def on_response(response):
        if response.status >= 400:
            complaints.append(f"{page.url}: {response.status} {response.url}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
    page.on("request", on_request)
    page.on("response", on_response)


@pytest.fixture(scope="module")
def seen(site, address):
    """{(page, width): what a browser sees}, and under "complaints" what went wrong."""
    if BROWSER is None:
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    facts, complaints = {}, []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=BROWSER, args=FLAGS)
        for width in (1280, 390):
            page = browser.new_page(viewport={"width": width, "height": 800})
            listen(page, address, complaints)
            for path in pages_of(site):
                page.goto(address + str(path), wait_until="load")
                if path.stem == "intro" and width == 1280:
                    facts["first screen"] = page.evaluate(FIRST_SCREEN)
                if path.stem == "08_scoreboard" and width == 1280:
                    height = page.evaluate("document.scrollingElement.scrollHeight")
                    facts["height of the scoreboard"] = height
                facts[path, width] = page.evaluate(READ)
                if width == 1280:
                    page.evaluate("document.documentElement.dataset.theme = 'dark'")
                    facts[path, width]["dim"] = page.evaluate(READ_DARK, LEAST_CONTRAST)
        browser.close()
    return facts | {"complaints": complaints}


def faults_by_page(site, seen, width, fault_of):
    """{name of the page: faults}, for the pages that have some."""
    faults = {path.stem: fault_of(seen[path, width]) for path in pages_of(site)}
    return {stem: of_page for stem, of_page in faults.items() if of_page}


def test_no_page_complains_or_asks_elsewhere(seen):
    assert not seen["complaints"], "\n".join(seen["complaints"][:20])


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_the_screen(site, seen, width):
    def fault_of(facts):
        return facts["width"] - facts["room"] > 1 and f"{facts['width']} px"

    assert not faults_by_page(site, seen, width, fault_of)


def wordless_images(facts):
    """Pictures without words for those who cannot see them: a path is none."""
    return [i["alt"] for i in facts["images"] if not i["alt"].strip() or "_images/" in i["alt"]]


def test_no_table_or_code_is_cut(site, seen):
    assert not faults_by_page(site, seen, 1280, lambda facts: facts["cut"])


def test_no_table_scrolls_on_a_phone(site, seen):
    assert not faults_by_page(site, seen, 390, lambda facts: facts["cutTables"])


def test_every_picture_has_words_and_pixels(site, seen):
    assert not faults_by_page(site, seen, 1280, wordless_images)
    empty = faults_by_page(
        site, seen, 390, lambda facts: [i["alt"] for i in facts["images"] if not i["pixels"]]
    )
    assert not empty


def test_the_dark_pages_are_legible(site, seen):
    assert not faults_by_page(site, seen, 1280, lambda facts: facts["dim"])


def test_the_first_screen_shows_the_sentence_and_the_picture(seen):
    bottoms = seen["first screen"]
    assert len(bottoms) == 6, "h1, its sentence, four panels"
    assert max(bottoms) <= 800


def test_the_scoreboard_is_read_in_five_screens(seen):
    assert seen["height of the scoreboard"] < 4000


def test_pages_are_small(site):
    large = {
        str(path): size
        for path in pages_of(site)
        if (size := (site / path).stat().st_size) > LARGEST_PAGE
    }
    assert not large


def test_links_lead_somewhere(site):
    soups = {
        path: BeautifulSoup((site / path).read_text(), "html.parser") for path in pages_of(site)
    }
    anchors = {
        path: {tag["id"] for tag in soup.find_all(id=True)} | {""} for path, soup in soups.items()
    }
    dead = []
    for path, soup in soups.items():
        for link in soup.find_all("a", href=True):
            target, anchor = urldefrag(unquote(link["href"]))
            if ":" in target.split("/")[0] or target.startswith("//"):
                continue
            file = ((site / path).parent / target).resolve() if target else (site / path).resolve()
            page = file.relative_to(site.resolve())
            if not file.exists() or anchor not in anchors.get(page, {anchor}):
                dead.append(f"{path}: {link['href']}")
    assert not dead, "\n".join(dead)
