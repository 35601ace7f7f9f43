"""`ftr fix`: the safe fixes of a recipe's problems, shown or written."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from runtime.cli import app

GOOD = """\
ftr 1
# what the author says stays

data {
  train = folder("photos")
  size = 64px
}
stage "head" {
  train = head   # and where it stands
  for = 3 epochs
  optimizer = adam(lr = 1e-3)
}
"""
BAD = GOOD.replace("ftr 1\n", "").replace("64px", "64").replace("adam(", "adma(")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def fix(text: str, *options: str) -> Result:
    Path("a.ftr").write_text(text, newline="")
    return CliRunner().invoke(app, ["fix", "a.ftr", *options])


def test_a_recipe_without_fixes_is_left_alone() -> None:
    result = fix(GOOD)
    assert (result.exit_code, result.output) == (0, "")


def test_fixes_are_shown_first_and_the_file_stays() -> None:
    result = fix(BAD)
    assert result.exit_code == 1
    assert Path("a.ftr").read_text() == BAD
    changed = [line for line in result.stdout.splitlines()[2:] if line[0] in "+-"]
    assert changed == [
        "+ftr 1",
        "-  size = 64",
        "+  size = 64px",
        "-  optimizer = adma(lr = 1e-3)",
        "+  optimizer = adam(lr = 1e-3)",
    ]


def test_write_applies_them_and_nothing_else() -> None:
    result = fix(BAD, "--write")
    assert result.exit_code == 0
    assert sorted(Path("a.ftr").read_text().splitlines()) == sorted(GOOD.splitlines())
    assert "fixed E203, unknown optimizer `adma`" in result.stdout
    assert fix(Path("a.ftr").read_text()).exit_code == 0


def test_what_cannot_be_fixed_is_shown() -> None:
    result = fix(BAD.replace("3 epochs", "many"), "--write")
    assert result.exit_code == 2
    assert "E303" not in result.stderr
    assert "`for` takes a length" in result.stderr
    assert "adam(" in Path("a.ftr").read_text()


def test_a_parents_mistakes_are_not_fixed_in_the_child() -> None:
    Path("parent.ftr").write_text(BAD)
    child = 'ftr 1\nextends "parent.ftr"\nsede = 2\n'
    result = fix(child, "--write")
    assert result.exit_code == 2
    assert Path("a.ftr").read_text() == child.replace("sede", "seed")
    assert Path("parent.ftr").read_text() == BAD


def test_a_file_that_cannot_be_read_is_named() -> None:
    result = CliRunner().invoke(app, ["fix", "missing.ftr"])
    assert result.exit_code == 2
    assert "cannot read missing.ftr" in result.stderr


def test_standard_input_is_fixed_to_standard_output() -> None:
    result = CliRunner().invoke(app, ["fix", "-", "--write"], input=BAD)
    assert result.exit_code == 0
    assert sorted(result.stdout.splitlines()) == sorted(GOOD.splitlines())


def test_a_parent_that_is_fixed_after_its_child_counts() -> None:
    Path("parent.ftr").write_text(BAD)
    Path("a.ftr").write_text('ftr 1\nextends "parent.ftr"\nsede = 2\n')
    alone = CliRunner().invoke(app, ["fix", "a.ftr"])
    assert "parent.ftr is left as it is; to fix it: ftr fix parent.ftr" in alone.stderr
    result = CliRunner().invoke(app, ["fix", "a.ftr", "parent.ftr", "--write"])
    assert (result.exit_code, result.stderr) == (0, "")


def test_folders_are_searched_but_not_those_of_runs() -> None:
    Path("runs/a-1").mkdir(parents=True)
    for path in ("a.ftr", "runs/a-1/recipe.ftr", "runs/a-1/resolved.ftr"):
        Path(path).write_text(BAD)
    for command in (["fix", "--write", "."], ["fmt", "."]):
        assert CliRunner().invoke(app, command).exit_code == 0
    assert Path("a.ftr").read_text() != BAD
    assert Path("runs/a-1/recipe.ftr").read_text() == BAD
    assert CliRunner().invoke(app, ["check", "."]).exit_code == 0
    for command in ("check", "fmt", "fix", "show"):
        assert CliRunner().invoke(app, [command, ""]).exit_code == 2
