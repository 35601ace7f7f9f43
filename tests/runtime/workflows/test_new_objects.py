"""`ftr new` for folders with boxes of objects: VOC, COCO and YOLO are told apart, their sets found."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import Ftr
from PIL import Image

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from runtime.data.sources.scenes import scenes
from runtime.plan.size import Size
from runtime.tasks.detection import findings
from runtime.vocabulary import VOCABULARY
from runtime.workflows.new.recipe import starter, summary
from runtime.workflows.new.scan import survey

COUNTS = {"train": 24, "valid": 8}
SAMPLES = scenes("train").samples
NAMES = scenes("test").names


def _images(folder: Path, role: str) -> list[tuple[Path, list[tuple[str, list[float]]]]]:
    """Write images of a set; return each with its objects."""
    folder.mkdir(parents=True)
    first = 0 if role == "train" else COUNTS["train"]
    found = []
    for sample in SAMPLES[first : first + COUNTS[role]]:
        path = folder / f"{sample.id.replace('/', '-')}.png"
        Image.fromarray(sample.image).save(path)
        boxes = zip(sample.target.classes, sample.target.corners.tolist(), strict=True)
        found.append((path, [(NAMES[label], corners) for label, corners in boxes]))
    return found


def _xml(objects: list[tuple[str, list[float]]]) -> str:
    sides = ("xmin", "ymin", "xmax", "ymax")
    rows = "".join(
        f"<object><name>{name}</name><bndbox>"
        + "".join(f"<{s}>{v + (k < 2):.0f}</{s}>" for k, (s, v) in enumerate(zip(sides, corners, strict=True)))
        + "</bndbox></object>"
        for name, corners in objects
    )
    return f"<annotation>{rows}</annotation>"


def voc_lists(root: Path) -> None:
    (root / "Annotations").mkdir(parents=True)
    (root / "ImageSets/Main").mkdir(parents=True)
    for role, called in (("train", "train"), ("valid", "val")):
        rows = _images(root / role, role)
        for path, objects in rows:
            (root / "Annotations" / f"{path.stem}.xml").write_text(_xml(objects))
        (root / "ImageSets/Main" / f"{called}.txt").write_text("\n".join(path.stem for path, _ in rows))
    (root / "JPEGImages").mkdir()
    for role in COUNTS:
        for path in (root / role).iterdir():
            path.rename(root / "JPEGImages" / path.name)
        (root / role).rmdir()


def voc_beside(root: Path) -> None:
    for role in COUNTS:
        for path, objects in _images(root / role, role):
            path.with_suffix(".xml").write_text(_xml(objects))


def voc_two_folders(root: Path) -> None:
    """As small sets of the web have it: `annots` and `images`, here of each set."""
    for role in COUNTS:
        (root / role / "annots").mkdir(parents=True)
        for path, objects in _images(root / role / "images", role):
            (root / role / "annots" / f"{path.stem}.xml").write_text(_xml(objects))


def coco(root: Path) -> None:
    (root / "annotations").mkdir(parents=True)
    categories = [{"id": 10 * (place + 1), "name": name} for place, name in enumerate(NAMES)]
    for role, called in (("train", "train"), ("valid", "val")):
        rows = _images(root / "images" / called, role)
        images = [{"id": n, "file_name": path.name, "width": 128, "height": 128} for n, (path, _) in enumerate(rows)]
        boxes = [
            {"image_id": n, "category_id": 10 * (NAMES.index(name) + 1), "bbox": [x0, y0, x1 - x0, y1 - y0]}
            for n, (_, objects) in enumerate(rows)
            for name, (x0, y0, x1, y1) in objects
        ]
        plain = {"images": images, "annotations": boxes, "categories": categories}
        (root / "annotations" / f"instances_{called}2017.json").write_text(json.dumps(plain))


def yolo(root: Path) -> None:
    for role, called in (("train", "train"), ("valid", "val")):
        labels = root / "labels" / called
        labels.mkdir(parents=True)
        for path, objects in _images(root / "images" / called, role):
            rows = [
                f"{NAMES.index(name)} {(x0 + x1) / 256} {(y0 + y1) / 256} {(x1 - x0) / 128} {(y1 - y0) / 128}"
                for name, (x0, y0, x1, y1) in objects
            ]
            (labels / f"{path.stem}.txt").write_text("\n".join(rows))
    names = ", ".join(f"'{name}'" for name in NAMES)
    (root / "data.yaml").write_text(f"train: images/train\nval: images/val\nnc: {len(NAMES)}\nnames: [{names}]\n")


LAYOUTS: list[tuple[Callable[[Path], None], str, str]] = [
    (voc_lists, 'voc("scenes", split = "train")', 'voc("scenes", split = "val")'),
    (voc_beside, 'voc("scenes/train")', 'voc("scenes/valid")'),
    (voc_two_folders, 'voc("scenes/train")', 'voc("scenes/valid")'),
    (
        coco,
        'coco("scenes/images/train", annotations = "scenes/annotations/instances_train2017.json")',
        'coco("scenes/images/val", annotations = "scenes/annotations/instances_val2017.json")',
    ),
    (yolo, 'yolo("scenes")', 'yolo("scenes", split = "val")'),
]


@pytest.mark.parametrize(("write", "train", "valid"), LAYOUTS, ids=[write.__name__ for write, *_ in LAYOUTS])
def test_layouts_are_told_apart(write: Callable[[Path], None], train: str, valid: str, tmp_path: Path) -> None:
    write(tmp_path / "scenes")
    found = survey(str(tmp_path / "scenes"))
    assert {role: len(each.listing.samples) for role, each in found.sets.items()} == COUNTS
    for sample, found_one in zip(SAMPLES, found.train.samples, strict=False):
        boxes = found_one.target.at(Size(128, 128))
        assert np.abs(boxes.corners - sample.target.corners).max() < 1e-6
        assert [found.train.names[label] for label in boxes.classes] == [
            NAMES[label] for label in sample.target.classes
        ]
    text = starter(found, tmp_path).text
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert f"train = {train}" in lines
    assert f"valid = {valid}" in lines
    assert "task = detection" in lines
    recipe = check(parse(Source(str(tmp_path / "r.ftr"), text, tmp_path)), VOCABULARY)
    assert not recipe.advice
    assert "objects of 4 classes" in summary(found)


def test_what_is_written_gets_no_advice_on_the_data_either(tmp_path: Path, ftr: Ftr) -> None:
    voc_two_folders(tmp_path / "web")
    assert ftr("new", tmp_path / "web/train", "-o", tmp_path / "few.ftr").code == 0
    told = ftr("plan", tmp_path / "few.ftr", "--deny-warnings")
    assert told.code == 0, told.err
    assert "too few to choose an epoch by" in " ".join((tmp_path / "few.ftr").read_text().replace("#", " ").split())


def test_annotations_and_images_in_two_folders_are_one_set(tmp_path: Path) -> None:
    voc_two_folders(tmp_path / "web")
    found = survey(str(tmp_path / "web/train"))
    assert (found.task, len(found.train.samples)) == ("detection", COUNTS["train"])
    assert 'voc("web/train")' in starter(found, tmp_path).text


def test_what_is_held_out_and_what_is_said(tmp_path: Path) -> None:
    voc_beside(tmp_path / "both")
    shutil.rmtree(tmp_path / "both/valid")
    text = starter(survey(str(tmp_path / "both/train")), tmp_path).text
    assert "holdout(15%)" in text
    assert "stratified by the classes that they show" in text


def test_a_valid_set_of_training_images_is_not_used(tmp_path: Path) -> None:
    yolo(tmp_path / "tutorial")
    file = tmp_path / "tutorial/data.yaml"
    file.write_text(file.read_text().replace("images/val", "images/train"))
    found = survey(str(tmp_path / "tutorial"))
    made = starter(found, tmp_path)
    count = len(found.train.samples)
    assert f"The valid set is not used: its {count} images are among those that train, and tell nothing." in found.notes
    assert re.fullmatch(r"\d+ to train on; \d+ for validation, held out \(15%\); no test set", str(made.division))
    assert "holdout(15%)" in made.text


def test_classes_that_no_object_has_are_said(tmp_path: Path) -> None:
    coco(tmp_path / "gaps")
    for path in (tmp_path / "gaps/annotations").iterdir():
        plain = json.loads(path.read_text())
        plain["categories"].insert(0, {"id": 0, "name": "background"})  # as exporting tools write it
        path.write_text(json.dumps(plain))
    found = survey(str(tmp_path / "gaps"))
    assert found.train.names == NAMES
    assert "No classes, since no object has them: `background`." in found.notes
    told = list(findings.of_sets({role: each.listing for role, each in found.sets.items()}))
    assert ("one_set", "background: the annotation lists it, and no object has it") in told


def test_made_scenes_are_a_set_of_objects() -> None:
    found = survey("scenes")
    assert (found.task, set(found.sets)) == ("detection", {"train", "test"})
    with pytest.raises(RecipeError) as caught:
        survey("digits", "detection")
    assert caught.value.problems[0].code == "E556"


@pytest.mark.parametrize(("side", "tiled"), [(12, True), (90, False)])
def test_large_images_of_small_objects_are_cut(side: int, tiled: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "large").mkdir()
    for number in range(5):
        corners = [[x, y, x + side, y + side] for x, y in rng.uniform(0, 800, (6, 2)).round().tolist()]
        Image.new("RGB", (1280, 960), (number, 80, 80)).save(tmp_path / f"large/{number}.jpg")
        (tmp_path / f"large/{number}.xml").write_text(_xml([("mite", each) for each in corners]))
    text = starter(survey(str(tmp_path / "large")), tmp_path).text
    assert ("tiles(" in text) == tiled
    if tiled:  # 12 of 224 px are 24 of 448
        assert "tiles(224px, overlap = 10%)" in text
        assert "with the smallest have 24px then" in text
        assert "in one piece" in text
    assert not check(parse(Source("r.ftr", text, tmp_path)), VOCABULARY).advice
