"""What an installation brings is pinned, once for each Python."""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, requires

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from paths import ROOT

from runtime.system.installation import DISTRIBUTION

PYTHONS = ("3.10", "3.11", "3.12")
EXTRAS = ("solar", "lsp", "hub", "onnx", "dev")


def applies(requirement: Requirement, python: str, extras: tuple[str, ...] = ("",)) -> bool:
    environment = {**default_environment(), "python_version": python, "python_full_version": f"{python}.0"}
    marker = requirement.marker
    return marker is None or any(marker.evaluate({**environment, "extra": extra}) for extra in ("", *extras))


def pins(python: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            pin = Requirement(line)
            if applies(pin, python):
                name = canonicalize_name(pin.name)
                assert name not in found, f"{name} is pinned twice for {python}"
                (only,) = pin.specifier
                assert only.operator == "==", line
                found[name] = only.version
    return found


def brought(python: str, *, through: bool) -> list[Requirement]:
    """Return what ftr with its extras requires; `through`: and what that requires, as far as it is installed here."""
    found: list[Requirement] = []
    todo, done = [(DISTRIBUTION, EXTRAS)], set()
    while todo:
        name, extras = todo.pop()
        if name not in done:
            done.add(name)
            try:
                texts = requires(name) or []
            except PackageNotFoundError:
                continue
            needed = [each for each in map(Requirement, texts) if applies(each, python, extras)]
            found += needed
            todo += [(canonicalize_name(each.name), tuple(each.extras)) for each in needed if through]
    return found


@pytest.mark.parametrize("python", PYTHONS)
def test_all_that_an_installation_brings_is_pinned_to_a_version_that_fits(python: str) -> None:
    pinned = pins(python)
    here = python == f"{sys.version_info[0]}.{sys.version_info[1]}"  # of others, what their versions need is not known
    needed = brought(python, through=here)
    expected = {"mxnet", "elpv-dataset", "pytest"} | ({"scipy", "opencv-python"} if here else set())
    assert expected <= {canonicalize_name(each.name) for each in needed}
    for each in needed:
        version = pinned.get(canonicalize_name(each.name))
        assert version is not None, f"{each.name} is not pinned for {python}"
        assert each.specifier.contains(version), f"{each} is pinned to {version} for {python}"


def test_no_pin_is_left_over_from_a_python_that_is_gone() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"]
    for line in lines:
        assert any(applies(Requirement(line), python) for python in PYTHONS), line


TOLD = re.compile(r"pip\d? install (.*)")
STRANGER = re.compile(r"""(-\S+ |\S+\.txt )*["']?(ftr|runtime|recipe[-_]lang)\b(?!-)""")
FOLDERS = ("recipe_lang", "runtime", "recipes", "docs", "editors", "scripts", "tests", "bench")


def test_no_text_names_a_distribution_that_is_not_ours() -> None:
    """PyPI's `ftr` and `runtime` are other people's programs."""
    paths = [*ROOT.glob("*.*"), ROOT / ".ci" / "run", ROOT / "scripts" / "setup"]
    paths += [path for name in FOLDERS for path in (ROOT / name).rglob("*.*") if "node_modules" not in path.parts]
    kinds = ("", ".py", ".md", ".ftr", ".txt", ".js", ".snap", ".json", ".toml")
    texts = [path for path in paths if path.suffix in kinds and path.is_file()]
    assert len(texts) > 300
    for path in texts:
        for command in TOLD.findall(path.read_text("utf-8", errors="replace")):
            assert not STRANGER.match(command), f"{path}: {command}"
