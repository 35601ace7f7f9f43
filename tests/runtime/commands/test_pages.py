"""What commands print on a page of 80 columns: no line is longer, and none ends in blanks; and what their lists say."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from command import Ftr
from paths import ROOT
from PIL import Image
from toy import STAGE, write_recipe

COMMANDS = (
    ("check", "r.ftr"),
    ("check", "wrong.ftr"),
    ("plan", "r.ftr"),
    ("plan", "r.ftr", "--all"),
    ("plan", "masks.ftr"),
    ("plan", "masks.ftr", "--all"),
    ("lr-find", "r.ftr"),
    ("features", "r.ftr"),
    ("data", "check", "r.ftr"),
    ("data", "check", "masks.ftr"),
    ("data", "show", "r.ftr"),
    ("lock", "r.ftr"),
    ("evaluate", "runs/toy-1"),
    ("evaluate", "runs/toy-1", "--data", "photos/valid"),
    ("predict", "runs/toy-1", "photos/test/red", "--draw", "drawn"),
    ("verify", "runs/toy-1"),
    ("compare", "runs/toy-1", "runs/toy-1"),
    ("runs",),
    ("cache",),
    ("explain",),
    ("explain", "lr_scale", "E204", "quality_focal"),
    ("pack", "runs/toy-1", "--force"),
    ("export", "runs/toy-1", "--force"),
    ("weights", "inspect", "runs/toy-1/model.params"),
    ("weights", "list"),
    *((command, ROOT / "recipes" / f"{name}.ftr") for command in ("check", "plan") for name in ("digits", "scenes")),
    *(("plan", "--all", ROOT / "recipes" / f"{name}.ftr") for name in ("digits", "scenes")),
    ("data", "check", ROOT / "recipes" / "scenes.ftr"),
    *(
        (*name.split(), "--help")
        for name in ("", "run", "plan", "predict", "evaluate", "data check", "new", "verify", "compare")
    ),
)


@pytest.fixture(scope="module")
def place(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos, some of them odd, masks, and recipes for them."""
    root = tmp_path_factory.mktemp("pages")
    shutil.copytree(photos, root / "photos")
    for name in ("notes.txt", "a.heic", "b.heic"):
        (root / "photos/train/red" / name).touch()
    shutil.copy(root / "photos/train/red/0.jpg", root / "photos/train/blue/copy.jpg")
    two = STAGE.replace("1 epoch", "2 epochs") + STAGE.replace("head", "blocks three and head", 1)
    write_recipe(root / "r.ftr", Path("photos"), two, top='name = "toy"')
    (root / "wrong.ftr").write_text('ftr 1\ndata {\n  train = folder("photos")\n  size = 32\n  batsch = 4\n}\n')
    for kind in ("images", "masks"):
        (root / kind).mkdir()
        for number in range(20):
            pixels = np.full((32, 32, 3) if kind == "images" else (32, 32), number % 2, np.uint8)
            Image.fromarray(pixels).save(root / kind / f"{number}.png")
    (root / "masks.ftr").write_text(
        'ftr 1\ntask = segmentation\ndata {\n  train = masks("images", "masks", classes = ["back", "front"])\n'
        f"  size = 32px\n  batch = 4\n}}\n{STAGE}"
    )
    return root


@pytest.fixture
def page(ftr: Ftr, place: Path, monkeypatch: pytest.MonkeyPatch) -> Ftr:
    """Run commands there, on a page of 80 columns."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "80")
    if not (place / "runs").exists():
        assert _faults(*ftr("run", "r.ftr")[1:]) == []
    return ftr


def _faults(*texts: str) -> list[str]:
    """Return the lines that end in blanks, and those that are too long though no path or example makes them so."""
    lines = [line for text in texts for line in text.splitlines()]
    return [
        line for line in lines if line != line.rstrip() or (len(line) > 80 and not re.search(r"\S*/\S{40}|^    ", line))
    ]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(map(str, command))[:40])
def test_lines_fit_and_end_in_no_blanks(page: Ftr, command: tuple[object, ...]) -> None:
    _, out, err = page(*command)
    assert out or err
    assert _faults(out, err) == []


def test_runs_say_when_how_good_and_what_changed(page: Ftr, place: Path) -> None:
    changed = place / "changed.ftr"
    changed.write_text((place / "r.ftr").read_text().replace("2 epochs", "3 epochs"))
    folder = place / "compared"
    shutil.copytree(place / "runs", folder)
    page("run", changed, "--quiet", "--out", folder / "toy-2")
    os.utime(folder / "toy-2/plan.json", (2e9, 2e9))
    (folder / "toy-2/result.json").unlink()
    head, first, second, _, changes = page("runs", folder).out.splitlines()[:5]
    assert head.split() == ["run", "started", "metric", "valid", "test", "time", "state"]
    assert re.match(r"toy-1 +\d{4}-\d\d-\d\d \d\d:\d\d +accuracy +\d\.\d{4} +\d\.\d{4} .* ended$", first)
    assert re.match(r"toy-2 +2033-05-1. .* unfinished$", second)
    assert changes.startswith("  toy-2: stage 1 steps ")


def test_paths_below_the_current_folder_are_relative(page: Ftr, place: Path) -> None:
    shown = page("data", "check", place / "r.ftr").out
    assert "photos/train/red/a.heic" in shown
    assert str(place) not in shown
    resumed = page("run", "--resume", "runs/toy-1")
    assert str(place) not in resumed.out + resumed.err


def test_what_a_run_has_said_of_its_images_is_not_said_again(page: Ftr) -> None:
    assert "ignored 3 files: 2 .heic" in page("plan", "r.ftr", "--json").err
    assert "ignored" not in page("evaluate", "runs/toy-1").err
    assert "ignored" not in page("predict", "runs/toy-1", "photos/train").err
