"""The law of the folders: each imports only from those above it in its package's list, and modules in no circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest
from paths import ROOT, TESTS

FOLDERS = {
    "recipe_lang": ("", "syntax", "json", "compose", "check", "output"),
    "runtime": (
        *("system", "plan", "backend", "distribution", "weights", "data", "models", "features", "tasks", "training"),
        *("vocabulary", "compile", "export", "runs", "workflows", "reporting", "help", "lsp", "commands", ""),
    ),
}
"""The folders of each package from the lowest to the highest; the empty name is the package's root."""

AT_ROOT = {
    "recipe_lang": {"__init__", "problem", "source", "suggest", "words"},
    "runtime": {"__init__", "__main__", "cli"},
}


def modules(package: str) -> dict[str, Path]:
    """Return the files of a package by the name under which they are imported."""
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in (ROOT / package).rglob("*.py")}
    return {name.removesuffix(".__init__"): path for path, name in names.items()}


ALL = {name: path for package in FOLDERS for name, path in modules(package).items()}


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the modules of ours that a file imports, wherever it does, each with its line."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            for name in node.names:
                full = f"{node.module}.{name.name}"
                yield (full if full in ALL else str(node.module)), node.lineno
        elif isinstance(node, ast.Import):
            yield from ((name.name, node.lineno) for name in node.names)


def floor(name: str) -> tuple[str, int]:
    """Return a module's package, and the place of its folder in the package's list."""
    package, *inner = name.split(".")
    is_in_folder = len(inner) > 1 or ALL[name].name == "__init__.py"
    return package, FOLDERS[package].index(inner[0] if inner and is_in_folder else "")


def against_the_law(name: str, path: Path) -> Iterator[str]:
    package, own = floor(name)
    for imported, line in imports(path):
        if imported in ALL:
            other, place = floor(imported)
            if (package, other) == ("recipe_lang", "runtime") or (package == other and place > own):
                yield f"{path.relative_to(ROOT)}:{line}: {name} imports {imported}, which stands above it"


def test_folders_import_only_from_those_below_them() -> None:
    assert [line for name, path in ALL.items() for line in against_the_law(name, path)] == []


def test_modules_import_one_another_in_no_circle() -> None:
    arrows = {name: {each for each, _ in imports(path) if each in ALL} - {name} for name, path in ALL.items()}
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("package", FOLDERS)
def test_no_module_is_out_of_place(package: str) -> None:
    assert {path.stem for path in (ROOT / package).glob("*.py")} == AT_ROOT[package]
    folders = {path.parent.relative_to(ROOT / package).parts[0] for path in (ROOT / package).glob("*/**/*.py")}
    assert folders == {name for name in FOLDERS[package] if name}
    for folder in {path.parent for path in ALL.values()}:
        assert (folder / "__init__.py").exists(), f"{folder} is no package"


def test_tests_mirror_the_folders() -> None:
    for path in TESTS.rglob("test_*.py"):
        if path.parent != TESTS:
            assert (ROOT / path.parent.relative_to(TESTS)).is_dir(), f"{path}: no such folder"


def test_names_that_benchmarks_import_exist() -> None:
    for path in (ROOT / "bench").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in FOLDERS:
                there = vars(import_module(str(node.module)))
                lacking = [name.name for name in node.names if f"{node.module}.{name.name}" not in ALL]
                assert set(lacking) <= there.keys(), f"{path.name}:{node.lineno}"


@pytest.mark.parametrize(
    ("name", "line", "is_law"),
    [
        ("runtime.data.sets", "from runtime.models.network import Model", False),
        ("runtime.data.sets", "def f():\n    import runtime.tasks", False),
        ("runtime.data.sets", "if TYPE_CHECKING:\n    from runtime import cli", False),
        ("runtime.models.network", "from runtime.data.sets import Sets", True),
        ("recipe_lang.problem", "from runtime.plan import types", False),
        ("recipe_lang.source", "from recipe_lang.syntax.nodes import Node", False),
        ("runtime.data.sets", "from recipe_lang.check import checker", True),
    ],
)
def test_the_law_sees_every_import(
    name: str, line: str, is_law: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "module.py"
    path.write_text(line)
    monkeypatch.setattr("test_layout.ROOT", tmp_path)
    assert (not list(against_the_law(name, path))) == is_law
