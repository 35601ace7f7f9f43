"""Names of classes beside numbers: a class that is called 0 is no count."""

from __future__ import annotations

from pathlib import Path

from command import Ftr
from toy import STAGE, write_recipe

from runtime.data.listing import Listing, Sample
from runtime.tasks.class_names import beside_number
from runtime.tasks.classification.network import Prediction
from runtime.tasks.classification.suggestion import suggested


def test_names_that_look_like_numbers_are_set_apart() -> None:
    assert [beside_number(name) for name in ("red", "0", "4.5", "-", "7b")] == ["red", "`0`", "`4.5`", "`-`", "7b"]
    samples = tuple(Sample(str(number), number % 2, Path(str(number))) for number in range(24))
    assert suggested(Listing(samples, ("0", "1"))).detail.startswith(" (`0` 12, `1` 12)")
    assert Prediction("a.png", (("7", 0.91), ("1", 0.05))).text() == "`7` 0.910  `1` 0.050"


def test_a_plan_counts_classes_that_are_numbers(photos: Path, tmp_path: Path, ftr: Ftr) -> None:
    for folder in ("train", "valid", "test"):
        for number, each in enumerate(sorted((photos / folder).iterdir())):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / str(number)).symlink_to(each)
    recipe = write_recipe(tmp_path / "r.ftr", tmp_path, STAGE)
    assert "3: `0` (" in ftr("plan", recipe, "--all").out
