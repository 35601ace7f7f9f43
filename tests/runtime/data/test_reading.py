"""How a recipe says that files are read, in whole runs: transparency, values of 16 bits, crops that have no choice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from toy import make_images, trained, write_recipe

from runtime.backend.mx import mx
from runtime.cli import app
from runtime.data import fingerprints as origins
from runtime.runs import evaluation, prediction
from runtime.runs.trained import load
from runtime.training.events import ImagesConverted
from runtime.training.settings import RunSettings
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run

CLASSES = ("blue", "green")


def drawing(label: str, number: int) -> Image.Image:
    """Return a ring or a bar in dark and light, on transparent ground that hides noise."""
    rng = np.random.default_rng([len(label), number])
    pixels = rng.integers(0, 256, (32, 32, 4)).astype(np.uint8)
    pixels[..., 3] = 0
    pixels[8 : 24 if label == "blue" else 12, 8:24] = (40, 40, 40, 255)
    pixels[26:30, 4:28] = (230, 230, 230, 128)
    return Image.fromarray(pixels)


def over(ground: str) -> Callable[[Image.Image], Image.Image]:
    def flat(image: Image.Image) -> Image.Image:
        below = Image.new("RGBA", image.size, ground)
        below.alpha_composite(image)
        return below.convert("RGB")

    return flat


def write(root: Path, kind: Callable[[Image.Image], Image.Image]) -> Path:
    for part, count in (("train", 16), ("valid", 4), ("test", 4)):
        for label in CLASSES:
            (root / part / label).mkdir(parents=True)
            for number in range(count):
                kind(drawing(label, number + 100 * len(part))).save(root / part / label / f"{number}.png")
    return root


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origins, "SETTLED_NS", 0)
    monkeypatch.setattr("runtime.runs.writer.export_model", lambda *_: None)


def result_of(recipe: Path, out: Path) -> tuple[list[str], Any]:
    """Run a recipe; return what it told of the images, and everything that it measured."""
    told: list[str] = []

    def seen(event: object) -> None:
        if isinstance(event, ImagesConverted):
            told.extend(event.notes)

    _, result = run(prepare(recipe), RunSettings(), out, observers=(seen,))
    return told, [result[name] for name in ("valid", "test")]


@pytest.mark.parametrize(
    ("prepared", "alike", "told"),
    [
        (
            "",
            over("white"),
            ["48 of 48 images have transparency: flattened onto white (`flatten_alpha` in `prepare` chooses)"],
        ),
        pytest.param("prepare = [flatten_alpha(black)]", over("black"), [], marks=pytest.mark.long),
        ("prepare = [flatten_alpha(none)]", lambda image: image.convert("RGB"), []),
    ],
    ids=["white", "black", "none"],
)
def test_a_run_with_transparent_images_is_that_with_flat_ones(
    prepared: str, alike: Callable[[Image.Image], Image.Image], told: list[str], tmp_path: Path
) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", write(tmp_path / "clear", lambda image: image), data=prepared)
    flat = write_recipe(tmp_path / "flat.ftr", write(tmp_path / "flat", alike))
    said, measured = result_of(recipe, tmp_path / "run")
    assert said == told
    assert result_of(flat, tmp_path / "other") == ([], measured)
    assert (tmp_path / "run" / "model.params").read_bytes() == (tmp_path / "other" / "model.params").read_bytes()
    assert result_of(recipe, tmp_path / "again")[0] == told  # also of files that are known to be sound

    one, other = (
        prediction.predict(load(tmp_path / name), [tmp_path / folder / "test/blue/0.png"], mx.cpu())
        for name, folder in (("run", "clear"), ("other", "flat"))
    )
    assert [each.classes for each in one] == [each.classes for each in other]
    _, report, *_ = evaluation.evaluate(load(tmp_path / "run"), mx.cpu(), 1, set_name="test")
    assert report.values["loss"] == pytest.approx(measured[1]["loss"], rel=1e-5)


def twelve_bits(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 16)


def test_values_that_end_early_are_told_and_levels_make_them_as_bright_as_others(tmp_path: Path) -> None:
    photos = write(tmp_path / "deep", twelve_bits)
    dark = write_recipe(tmp_path / "dark.ftr", photos)
    said, _ = result_of(dark, tmp_path / "run")
    (line,) = said
    assert line.startswith("the values of 48 images of 16 bits end at 4,032 of 65,535")
    assert "`levels(4095)` in `prepare`" in line
    right = write_recipe(tmp_path / "right.ftr", photos, data="prepare = [levels(4080)]")
    eight = write_recipe(tmp_path / "eight.ftr", write(tmp_path / "eight", lambda image: image.convert("L")))
    assert result_of(right, tmp_path / "right") == result_of(eight, tmp_path / "other")


def test_a_crop_without_a_choice_keeps_what_frozen_parts_give(tmp_path: Path) -> None:
    photos = write(tmp_path / "square", over("white"))
    stage = 'stage "head" {\n  train = head\n  for = 2 epochs\n}\n'
    cropped = write_recipe(tmp_path / "a.ftr", photos, stage, data="augment = [random_crop]")
    plain = write_recipe(tmp_path / "b.ftr", photos, stage)
    assert "W797" in {each.code for each in prepare(cropped).advice}
    weights, computed = trained(cropped, tmp_path / "run-a")
    assert sum(count for _, count in computed) == 32 + 8 + 8
    assert trained(plain, tmp_path / "run-b") == (weights, [])  # all is there already
    make_images(tmp_path / "more", {"red": 1})  # 40 x 36
    (tmp_path / "more/red/0.jpg").rename(photos / "train" / "blue" / "wide.jpg")
    assert prepare(cropped).plan.stages[0].views is None
    assert "W797" not in {each.code for each in prepare(cropped).advice}


def test_the_check_of_the_data_says_why_images_are_blank(tmp_path: Path) -> None:
    def found(name: str, kind: Callable[[Image.Image], Image.Image], data: str = "") -> dict[str, Any]:
        recipe = tmp_path / f"{name}.ftr"
        if not (tmp_path / name).exists():
            write(tmp_path / name, kind)
        write_recipe(recipe, tmp_path / name, data=data)
        shown = CliRunner().invoke(app, ["data", "check", str(recipe), "--json"])
        return json.loads(shown.stdout)["found"]

    def light(image: Image.Image) -> Image.Image:
        pixels = np.asarray(image).copy()
        pixels[..., :3] = 255
        return Image.fromarray(pixels)

    white = found("light", light)
    assert len(white["transparent"]["groups"]) == 48
    notes = {group["note"].partition(", onto black ")[0] for group in white["blank"]["groups"]}
    assert notes == {"standard deviation 0.0"}
    assert {float(group["note"].rpartition(" ")[2]) > 50 for group in white["blank"]["groups"]} == {True}
    black = found("light", light, "prepare = [flatten_alpha(black)]")
    assert not {"transparent", "blank"} & set(black)
    (note,) = [group["note"] for group in found("deep", twelve_bits)["levels"]["groups"]]
    assert note.endswith("`levels(4095)` makes that white")
    assert "levels" not in found("deep", twelve_bits, "prepare = [levels(4095)]")
