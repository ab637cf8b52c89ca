"""What a reader can hold in the head: how long files and functions are, how much a class has."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import vif_agent

SOURCE = Path(vif_agent.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))

_LINES, _FUNCTION, _METHODS, _ATTRIBUTES = 300, 40, 15, 12


def test_nothing_is_larger_than_a_reader_can_hold() -> None:
    assert [line for path in FILES for line in _large(path)] == []


def _large(path: Path) -> Iterator[str]:
    """As "module name: what is too large"."""
    source = path.read_text()
    module = str(path.relative_to(SOURCE))
    if (lines := len(source.splitlines())) > _LINES:
        yield f"{module}: {lines} lines, {_LINES} at most"
    for node in ast.walk(ast.parse(source)):
        for wrong in _wrong(node):
            yield f"{module} {getattr(node, 'name', '')}: {wrong}"


def _wrong(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            lines = (node.end_lineno or 0) - node.lineno + 1
            if lines > _FUNCTION:
                yield f"{lines} lines, {_FUNCTION} at most"
        case ast.ClassDef():
            if (methods := len(list(_public_methods(node)))) > _METHODS:
                yield f"{methods} public methods, {_METHODS} at most"
            if (attributes := len(_attributes(node))) > _ATTRIBUTES:
                yield f"{attributes} attributes, {_ATTRIBUTES} at most"


def _public_methods(kind: ast.ClassDef) -> Iterator[str]:
    for node in kind.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name


def _attributes(kind: ast.ClassDef) -> set[str]:
    """What its methods set, and its fields. Not of a frozen value: its fields are as many as the
    things that somebody else has (a VIF, a row of Open vSwitch, a row of the store)."""
    if _is_frozen(kind):
        return set()
    fields = {
        node.target.id
        for node in kind.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    return fields | {
        node.attr
        for node in ast.walk(kind)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        if isinstance(node.value, ast.Name) and node.value.id == "self"
    }


def _is_frozen(kind: ast.ClassDef) -> bool:
    return any(
        isinstance(decorator, ast.Call)
        and any(
            word.arg == "frozen" and ast.unparse(word.value) == "True"
            for word in decorator.keywords
        )
        for decorator in kind.decorator_list
    )


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("class A:\n" + "    def f(self): ...\n" * 15, []),
        ("class A:\n" + "    def f(self): ...\n" * 16, ["16 public methods, 15 at most"]),
        ("class A:\n" + "    def _f(self): ...\n" * 16, []),
        (f"class A:\n    def f(self): {'; '.join(f'self.a{n} = 1' for n in range(12))}", []),
        (
            f"class A:\n    def f(self): {'; '.join(f'self.a{n} = 1' for n in range(13))}",
            ["13 attributes, 12 at most"],
        ),
        (
            "@dataclass\nclass A:\n" + "".join(f"    a{n}: int\n" for n in range(13)),
            ["13 attributes, 12 at most"],
        ),
        (
            "@dataclass(frozen=True)\nclass A:\n" + "".join(f"    a{n}: int\n" for n in range(13)),
            [],
        ),
        ("def f():\n" + "    pass\n" * 39, []),
        ("def f():\n" + "    pass\n" * 40, ["41 lines, 40 at most"]),
    ],
)
def test_what_is_too_large_is_found(source: str, wrong: list[str]) -> None:
    assert [line for node in ast.walk(ast.parse(source)) for line in _wrong(node)] == wrong
