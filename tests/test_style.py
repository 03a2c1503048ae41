"""The house rules that a formatter does not know: one idea a line, small cells, no empty words."""

import ast
import json

import pytest

from ganmc_utils.core import paths

FOLDERS = ("ganmc_utils", "tests", "benchmarks", "book")
FILES = sorted(file for folder in FOLDERS for file in (paths.ROOT / folder).rglob("*.py"))
NOTEBOOKS = sorted((paths.ROOT / "notebooks").glob("*.ipynb"))
EMPTY_WORDS = {"found", "here", "made", "average", "more"}  # what was found, where, made of what?


def code_cells():
    """(id, source) of every code cell."""
    for path in NOTEBOOKS:
        for cell in json.loads(path.read_text())["cells"]:
            if cell["cell_type"] == "code":
                yield f"{path.stem}, cell {cell['id']}", "".join(cell["source"])


def sources():
    """(name, source) of every file and code cell."""
    return [(str(f.relative_to(paths.ROOT)), f.read_text()) for f in FILES] + list(code_cells())


def faults_of(tree):
    """What a reader has to decipher in a syntax tree: (line, fault)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and packs_names(node):
            yield node.lineno, "a tuple assignment of more than three names"
        if isinstance(node, ast.IfExp) and any(
            isinstance(inner, ast.IfExp) for inner in ast.walk(node) if inner is not node
        ):
            yield node.lineno, "a conditional expression inside another"
        if isinstance(node, ast.BinOp) and multiplies_text_by_condition(node):
            yield node.lineno, "a conditional by multiplication"


def packs_names(assignment):
    return any(isinstance(t, ast.Tuple) and len(t.elts) > 3 for t in assignment.targets)


def multiplies_text_by_condition(product):
    sides = (product.left, product.right)
    has_text = any(isinstance(s, ast.Constant) and isinstance(s.value, str) for s in sides)
    has_condition = any(isinstance(s, (ast.Compare, ast.BoolOp)) for s in sides)
    return isinstance(product.op, ast.Mult) and has_text and has_condition


def test_one_idea_a_line():
    faults = [
        f"{name}:{line}: {fault}"
        for name, source in sources()
        for line, fault in faults_of(ast.parse(source))
    ]
    assert not faults, "\n".join(faults)


def test_no_line_over_100_columns_and_no_joined_statements():
    faults = []
    for name, source in sources():
        starts = [node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]
        faults += [f"{name}:{n}: joined" for n in set(starts) if starts.count(n) > 1]
        lines = enumerate(source.splitlines(), 1)
        faults += [f"{name}:{n}: {len(line)} columns" for n, line in lines if len(line) > 100]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("source, n", [
    ("a, b, c, d = x", 1), ("a, b, c = x", 0), ("y = 1 if a else 2 if b else 3", 1),
    ("y = 1 if a else 2", 0), ("'x' * (a == b)", 1), ("'x' * 3", 0)])  # fmt: skip
def test_the_faults_are_seen(source, n):
    assert len(list(faults_of(ast.parse(source)))) == n


def test_cells_are_short_and_each_chapter_has_one_plan():
    long = [name for name, source in code_cells() if source.count("\n") >= 25]
    assert long == ["01_dnn_compression, cell 01-01", "07_compression_score, cell 07-01"], (
        "but for two lists of parameters"
    )
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text())["cells"]
        tags = [tag for cell in cells for tag in cell["metadata"].get("tags", [])]
        assert tags.count("parameters") == 1
        without_plan = path.stem.startswith("08") or path.stem == "from_scratch"
        assert tags.count("plan") == (0 if without_plan else 1), path.stem


def test_names_say_what_they_hold():
    said = [
        f"{name}:{node.lineno}: {node.id}"
        for name, source in sources()
        if name.startswith(("ganmc_utils", "0"))
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Name) and node.id in EMPTY_WORDS and isinstance(node.ctx, ast.Store)
    ]
    assert not said, "\n".join(said)
