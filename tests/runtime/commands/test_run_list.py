"""`ftr runs` says what changed from one run of a recipe to the next, its images too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import Ftr
from toy import train, write_recipe


def test_images_that_are_left_out_are_no_part_of_the_hash_and_shown(
    ftr: Ftr, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = write_recipe(tmp_path / "r.ftr", photos, data='  exclude = "out.txt"')
    for number, left_out in enumerate(("0.jpg", "0.jpg", "1.jpg"), start=1):
        Path("out.txt").write_text(f"[train]\nred/{left_out}\n")
        train(recipe, Path(f"runs/r-{number}"))
    runs = json.loads(ftr("runs", "--json").out)
    assert len({each["hash"] for each in runs}) == 1
    assert [each["changed"] for each in runs[:2]] == [[], []]
    ((name, before, after),) = runs[2]["changed"]
    assert name == "data.train.red"
    assert before != after
    assert "r-3: data.train.red 23 images" in ftr("runs").out.replace("\n", " ")
