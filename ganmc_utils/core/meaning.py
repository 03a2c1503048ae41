"""The key of a stored result: what was asked for, and the meaning of the code that computes it.

The meaning of a function or class is its syntax tree together with the trees of everything of this
project that it uses. Docstrings, comments, formatting, type annotations, import lines and the words
of error messages are left out, and a name counts as what it stands for, however it was imported.
So mending a sentence or moving a file keeps a night of training, and a changed constant or operator
does not.
"""

import ast
import hashlib
import inspect
import json
import sys
from collections.abc import Callable
from functools import cache
from types import ModuleType

from ganmc_utils.core.registry import Registry

PACKAGE = "ganmc_utils"

# These modules keep results; they do not decide them.
PLUMBING = tuple(
    f"{PACKAGE}.core.{name}"
    for name in (
        "checkpoints",
        "download",
        "errors",
        "meaning",
        "notebook_run",
        "parameters",
        "paths",
        "records",
        "registry",
        "store",
    )
)


def result_key(about: dict, *deciders: Callable) -> str:
    """Name of a result: 16 hexadecimal digits of sha256(about as JSON, meaning of the deciders).

    Args:
        about: every setting that the result depends on; anything JSON can hold.
        deciders: functions and classes whose code decides the result; what they use is followed.
    """
    settings = json.dumps(about, sort_keys=True)
    return hashlib.sha256(f"{settings}\n{meaning(*deciders)}".encode()).hexdigest()[:16]


def meaning(*deciders: Callable) -> str:
    """Sha256 of the syntax trees of deciders and of all code of this project that they use."""
    ours = tuple(sorted({PACKAGE, *(decider.__module__.split(".")[0] for decider in deciders)}))
    trees = set()
    for decider in deciders:
        trees |= trees_used_by(decider, ours)
    return hashlib.sha256("\n".join(sorted(trees)).encode()).hexdigest()


@cache
def trees_used_by(decider: Callable, ours: tuple[str, ...]) -> frozenset[str]:
    """Dumps of the trees of a function or class and of what it uses, directly or not."""
    trees, waiting, known = set(), [definition_of(decider)], set()
    while waiting:
        module, name = waiting.pop()
        if (module, name) in known:
            continue
        known.add((module, name))
        tree = _Normalizer(sys.modules[module], ours)
        trees.add(f"{name} = {written(tree.visit(source_tree(module, name)))}")
        waiting += tree.used
    return frozenset(trees)


def written(tree: ast.AST) -> str:
    """The dump of a tree as Python 3.11 writes it, so that keys are the same on later ones.

    3.12 adds a field to functions and classes, 3.13 leaves out fields that are empty.
    """
    empty = {"show_empty": True} if sys.version_info >= (3, 13) else {}
    return ast.dump(tree, **empty).replace(", type_params=[]", "")


def definition_of(decider: Callable) -> tuple[str, str]:
    """(module, name) of a function or class; of a method: its class.

    Raises:
        TypeError: it is defined inside a function, where its source cannot be told apart.
    """
    name = decider.__qualname__
    if "<" in name:
        raise TypeError(f"{decider.__module__}.{name}: define it at the top level of its module")
    return decider.__module__, name.split(".")[0]


def source_tree(module: str, name: str) -> ast.AST:
    """A fresh tree of what defines name in a module: a def, a class or an assignment."""
    if module == "__main__":  # a notebook's cell
        return ast.parse(inspect.getsource(vars(sys.modules[module])[name])).body[0]
    for statement in ast.parse(_module_source(module)).body:
        if name in names_defined_by(statement):
            return statement
    raise LookupError(f"{module} does not define {name}")


@cache
def _module_source(module: str) -> str:
    return inspect.getsource(sys.modules[module])


def names_defined_by(statement: ast.stmt) -> set[str]:
    """Names that a top-level statement binds, import lines aside."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return {statement.name}
    if isinstance(statement, (ast.Assign, ast.AnnAssign)):
        return {node.id for node in ast.walk(statement) if _is_bound(node)}
    return set()


def _is_bound(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


class _Normalizer(ast.NodeTransformer):
    """Strips a tree of what has no meaning and notes, in `used`, the definitions it refers to."""

    def __init__(self, module: ModuleType, ours: tuple[str, ...]):
        self.module, self.ours = module, ours
        self.used: list[tuple[str, str]] = []
        self.local_names: list[set[str]] = []

    # what has no meaning

    def visit_Import(self, node):
        return None

    visit_ImportFrom = visit_Import

    def visit_Raise(self, node):
        return ast.Raise()

    def visit_AnnAssign(self, node):
        plain = ast.Assign([node.target], node.value) if node.value else ast.Expr(node.target)
        return self.visit(plain)

    def visit_arg(self, node):
        return ast.arg(node.arg)

    def visit_FunctionDef(self, node):
        node.returns = None
        node.body = without_docstring(node.body)
        self.local_names.append(names_bound_in(node))
        self.generic_visit(node)
        self.local_names.pop()
        return _with_body(node)

    def visit_ClassDef(self, node):
        node.body = without_docstring(node.body)
        self.generic_visit(node)
        return _with_body(node)

    def visit_Lambda(self, node):
        self.local_names.append(names_bound_in(node))
        self.generic_visit(node)
        self.local_names.pop()
        return node

    # what names stand for

    def visit_Name(self, node):
        if self.is_local(node.id):
            return node
        return ast.Name(self.refer(self.module, node.id) or node.id)

    def visit_Attribute(self, node):
        owner = self.module_named(node.value)
        name = owner and self.refer(owner, node.attr)
        if name:
            return ast.Name(name)
        self.generic_visit(node)
        return node

    def module_named(self, node: ast.expr) -> ModuleType | None:
        """The module of ours that an expression names: `batches` or `networks.batches`."""
        if isinstance(node, ast.Name):
            value = None if self.is_local(node.id) else vars(self.module).get(node.id)
        elif isinstance(node, ast.Attribute):
            value = getattr(self.module_named(node.value), node.attr, None)
        else:
            return None
        return value if isinstance(value, ModuleType) and self.is_ours(value.__name__) else None

    def is_local(self, name: str) -> bool:
        return any(name in names for names in self.local_names)

    def is_ours(self, module: str) -> bool:
        return module.split(".")[0] in self.ours

    def refer(self, module: ModuleType, name: str) -> str | None:
        """The name of a definition of ours, noted as used; None for anything else."""
        value = getattr(module, name, None)  # also what a package imports when it is asked for
        if value is None or isinstance(value, ModuleType):
            return None
        if inspect.isfunction(value) or inspect.isclass(value):
            home, name = value.__module__, value.__qualname__.split(".")[0]
        else:
            home = home_of_constant(module, name)
        if not home or not self.is_ours(home):
            return None
        # A table of choices has no meaning: the chosen entry has, and its key names it.
        if home not in PLUMBING and not isinstance(value, Registry):
            self.used.append((home, name))
        return name


def home_of_constant(module: ModuleType, name: str) -> str | None:
    """The module that assigns a constant, which may reach `module` through imports."""
    if module.__name__ == "__main__":
        return None  # a notebook's values are settings: they belong into `about`
    for statement in ast.parse(_module_source(module.__name__)).body:
        if name in names_defined_by(statement):
            return module.__name__
        if isinstance(statement, ast.ImportFrom) and name in {
            a.asname or a.name for a in statement.names
        }:
            (original,) = {a.name for a in statement.names if (a.asname or a.name) == name}
            source = sys.modules.get(absolute_name(module, statement))
            return home_of_constant(source, original) if _is_plain(source) else None
    return None


def _is_plain(module: ModuleType | None) -> bool:
    """Whether a module has Python source (builtin and compiled ones have none)."""
    return module is not None and str(getattr(module, "__file__", "")).endswith(".py")


def absolute_name(module: ModuleType, statement: ast.ImportFrom) -> str:
    """The full name of the module that an import line names."""
    if not statement.level:
        return statement.module
    parts = module.__name__.split(".")[: -statement.level]
    return ".".join([*parts, *filter(None, [statement.module])])


def without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    """A body without the strings that stand alone in it."""
    return [s for s in body if not _is_lone_string(s)]


def _is_lone_string(statement: ast.stmt) -> bool:
    value = getattr(statement, "value", None)
    is_string = isinstance(value, ast.Constant) and isinstance(value.value, str)
    return isinstance(statement, ast.Expr) and is_string


def _with_body(node):
    node.body = node.body or [ast.Pass()]
    return node


def names_bound_in(function: ast.AST) -> set[str]:
    """Arguments and every name that is assigned anywhere inside a function."""
    names = set()
    for node in ast.walk(function):
        if _is_bound(node):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.FunctionDef) and node is not function:
            names.add(node.name)
    return names
