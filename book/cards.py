"""Sphinx extension: a table that is too wide for a phone becomes a list of cards there.

Each row is then a card whose title is its first cell; the others stand below each other, each with
its header. book/_static/book.css does so for the class that is added here, on narrow screens alone.
"""

from bs4 import BeautifulSoup

PHONE = 320  # pixels of a page's column, less a margin for the frames of code
CHARACTER, SMALL_CHARACTER, PADDING = 8.5, 6.5, 13  # pixels; code and headers are wide
LONG = 60  # characters of a cell that takes a card's whole width


def width_of_words(cell) -> float:
    """Pixels of the longest word of a cell, which cannot be broken."""
    widths = [
        len(word) * (SMALL_CHARACTER if text.find_parent("small") else CHARACTER)
        for text in cell.find_all(string=True)
        for word in text.split(" ")  # a no-break space does not part words
    ]
    return max(widths, default=0.0)


def least_width(rows: list[list]) -> float:
    """Pixels that a table needs at least: its longest words side by side."""
    columns = zip(*rows)
    return sum(max(map(width_of_words, column)) + PADDING for column in columns)


def add_headers(table) -> None:
    """Mark a table that is too wide; give each cell with words, but a row's first, its header."""
    if table.thead is None or table.tbody is None:
        return
    headers = table.thead.find_all("th")
    rows = [row.find_all(["td", "th"]) for row in table.tbody.find_all("tr")]
    if any(len(row) != len(headers) for row in rows) or least_width([headers, *rows]) <= PHONE:
        return
    table["class"] = [*table.get("class", []), "cards"]
    for row in rows:
        for header, cell in zip(headers[1:], row[1:]):
            if not cell.get_text(strip=True):
                continue
            cell["data-header"] = header.get_text(" ", strip=True)
            if len(cell.get_text()) > LONG:
                cell["class"] = [*cell.get("class", []), "long"]


def mark_tables(app, page, template, context, doctree):
    """Mark the tables of a page."""
    if "<table" not in context.get("body", ""):
        return
    soup = BeautifulSoup(context["body"], "html.parser")
    for table in soup.find_all("table"):
        add_headers(table)
    context["body"] = str(soup)


def setup(app):
    """Called by Sphinx; once a page is written."""
    app.connect("html-page-context", mark_tables)
    return {"parallel_read_safe": True}
