"""Groups of images in commands: what `ftr data check` finds of them, and what `ftr new` proposes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command import Ftr
from command import ftr as ftr  # a fixture
from PIL import Image

RECIPE = """ftr 1
data {{
  train = csv("train.csv", image = "file", label = "kind")
  valid = {valid}
  test  = csv("test.csv", image = "file", label = "kind")
  size  = 32px
  batch = 8
}}
stage "head" {{
  train = head
  for   = 2 epochs
}}
"""


@pytest.fixture
def scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write images of 15 patients; the last one of `train.csv` is in `test.csv` as well."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FTR_CACHE", str(tmp_path / "cache"))
    random = np.random.default_rng(3)
    rows = []
    for number in range(60):
        Image.fromarray(random.integers(0, 255, (32, 32, 3), np.uint8)).save(f"{number}.png")
        rows.append(f"{number}.png,{'ab'[number % 3 == 0]},p{number // 4:02}")
    for name, chosen in (("train", rows[:46]), ("test", rows[46:])):
        Path(f"{name}.csv").write_text("\n".join(["file,kind,patient_id", *chosen]) + "\n")
    return tmp_path


def found(ftr: Ftr, *options: str) -> tuple[int, list[str]]:
    code, out, _ = ftr("data", "check", "scans.ftr", "--json", "--strict", *options)
    return code, [each["note"] for each in json.loads(out)["found"].get("groups", {"groups": []})["groups"]]


def test_a_group_in_two_given_sets_is_found(scans: Path, ftr: Ftr) -> None:
    Path("scans.ftr").write_text(RECIPE.format(valid='holdout(20%, by = "patient_id")'))
    code, notes = found(ftr)
    assert (code, len(notes)) == (1, 1)
    assert notes[0].startswith("p11: ")
    assert notes[0].endswith("test 2 images")
    shown = ftr("data", "check", "scans.ftr").out
    assert "one group in several sets" in shown
    assert "groups" in shown.splitlines()[0]  # what the holdout came to


def test_groups_are_compared_where_a_recipe_says_none(scans: Path, ftr: Ftr) -> None:
    Path("scans.ftr").write_text(RECIPE.format(valid="holdout(20%)"))
    assert found(ftr) == (0, [])
    code, notes = found(ftr, "--by", "patient_id")
    assert code == 1
    assert len(notes) > 1  # those that the holdout divides


def test_a_column_that_a_set_lacks_is_an_error(scans: Path, ftr: Ftr) -> None:
    Path("scans.ftr").write_text(RECIPE.format(valid='holdout(20%, by = "patient_id")'))
    Path("test.csv").write_text(Path("test.csv").read_text().replace("patient_id", "other"))
    code, _, err = ftr("data", "check", "scans.ftr")
    assert (code, "E507" in err, "test.csv" in err) == (2, True, True)


def test_new_keeps_together_what_a_table_calls_a_patient(scans: Path, ftr: Ftr) -> None:
    assert ftr("new", "train.csv", "-o", "new.ftr").code == 0
    text = Path("new.ftr").read_text()
    assert 'by = "patient_id")' in text
    assert "images of a patient_id stay together" in text
    assert ftr("check", "new.ftr").code == 0
    assert "groups" in ftr("plan", "new.ftr").err


def test_plan_and_lock_say_what_came_out(scans: Path, ftr: Ftr) -> None:
    Path("scans.ftr").write_text(RECIPE.format(valid='holdout(20%, by = "patient_id")'))
    _, out, err = ftr("plan", "scans.ftr")
    assert "valid holdout(share = 0.2, by = patient_id)" in " ".join(out.split())
    assert "of 12 groups" in err
    assert "of 12 groups" in json.loads(ftr("plan", "scans.ftr", "--json").out)["notes"][0]
