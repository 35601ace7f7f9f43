"""Words on the command line that have no place: what they would be is said."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command import Ftr
from toy import train, write_recipe


@pytest.mark.parametrize("words", [("r.ftr", "--fix", "copies"), ("--fix", "copies", "r.ftr")])
def test_a_word_behind_an_option_that_takes_none(
    ftr: Ftr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("r.ftr").write_text("ftr 1\n")
    code, _, err = ftr("data", "check", *words)
    assert code == 2
    assert "`--fix` takes no value, such as `copies`. Write all images to leave out into the list of `exclude`" in err


def test_a_list_for_a_run_lies_outside_of_its_folder(
    ftr: Ftr, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(photos, tmp_path / "photos")
    shutil.copy("photos/train/red/0.jpg", "photos/train/red/copy.jpg")
    train(write_recipe(tmp_path / "r.ftr", tmp_path / "photos"), tmp_path / "red-1")
    code, out, _ = ftr("data", "check", "red-1", "--fix")
    assert code == 0
    assert 'write into the data block: exclude = "red-1.exclude.txt"' in out
    assert "copy.jpg" in Path("red-1.exclude.txt").read_text()
    assert not list(Path("red-1").glob("*exclude*"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("run", "r.ftr", "--batchsize", "3"),
            "Error: `ftr run` takes no `--batchsize`: what changes the result belongs",
        ),
        (("export", "r", "--format", "pytorch"), "Error: Invalid value for '--format': 'pytorch' is not one of"),
        (("data", "check", "r.ftr", "--fix", "copies"), "Error: `--fix` takes no value, such as `copies`. Write all"),
    ],
)
def test_what_is_said_of_wrong_words_is_as_wide_as_the_page(
    ftr: Ftr, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    code, _, in_one_line = ftr(*words)
    monkeypatch.setenv("COLUMNS", "60")
    assert (code, ftr(*words).code) == (2, 2)
    err = ftr(*words).err
    assert max(map(len, err.splitlines())) <= 60 < max(map(len, in_one_line.splitlines()))
    assert said in " ".join(err.split()) == " ".join(in_one_line.split())
