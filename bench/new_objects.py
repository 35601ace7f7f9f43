"""What `ftr new` reaches untouched: `python bench/new_objects.py --objects FOLDER --masks FOLDER [--write PAGE]`.

`--objects` is a folder of VOC's layout with lists of its sets, which is also taken as COCO and as YOLO; `--masks` one
of images in `image` and masks in `label`, whose last fifth, by number, becomes the test set. The made scenes are taken
for both tasks. Of each set `ftr new` writes the recipe, which is run as it is with SEEDS seeds, each in a process and
with a cache of its own. Rows are appended to WORK, a line each, and not measured again. With `--write docs/new.md` the
table takes the place of the one below its heading. `--epochs` is for a trial. Needs an idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from detection_seeds import measure, middle_of  # noqa: E402

from runtime.data.images import upright_size  # noqa: E402
from runtime.data.listing import Listing  # noqa: E402
from runtime.data.sources.voc import voc  # noqa: E402

HEADING = "## Detection and segmentation"
SPLITS = ("train", "val", "test")


def _lists(source: Path) -> dict[str, Listing]:
    names = [name for name in SPLITS if (source / "ImageSets" / "Main" / f"{name}.txt").is_file()]
    return {name: voc(source, name, None, name == "train") for name in names}


def as_coco(source: Path, place: Path) -> str:
    """Write a set of VOC as COCO's, its images in one folder; return what `ftr new` takes."""
    root = place / "coco"
    (root / "annotations").mkdir(parents=True)
    for name, listing in _lists(source).items():
        (root / name).mkdir()
        images: list[dict[str, Any]] = []
        rows: list[dict[str, Any]] = []
        for sample in listing.samples:
            shutil.copy(sample.image, root / name)
            size = upright_size(sample.image)
            images.append(
                {"id": len(images), "file_name": sample.image.name, "width": size.width, "height": size.height}
            )
            for label, (x0, y0, x1, y1) in zip(sample.target.classes, sample.target.corners.tolist(), strict=True):
                box = [x0, y0, x1 - x0, y1 - y0]
                rows.append({"id": len(rows), "image_id": len(images) - 1, "category_id": int(label) + 1, "bbox": box})
        categories = [{"id": place + 1, "name": each} for place, each in enumerate(listing.names)]
        plain = {"images": images, "annotations": rows, "categories": categories}
        (root / "annotations" / f"instances_{name}.json").write_text(json.dumps(plain))
    return str(root)


def as_yolo(source: Path, place: Path) -> str:
    """Write a set of VOC as YOLO's; return what `ftr new` takes."""
    root = place / "yolo"
    sets = _lists(source)
    for name, listing in sets.items():
        for folder in ("images", "labels"):
            (root / folder / name).mkdir(parents=True)
        for sample in listing.samples:
            shutil.copy(sample.image, root / "images" / name)
            size = upright_size(sample.image)
            lines = [
                f"{sets['train'].names.index(listing.names[label])} {(x0 + x1) / 2 / size.width} "
                f"{(y0 + y1) / 2 / size.height} {(x1 - x0) / size.width} {(y1 - y0) / size.height}\n"
                for label, (x0, y0, x1, y1) in zip(sample.target.classes, sample.target.corners.tolist(), strict=True)
            ]
            (root / "labels" / name / f"{sample.image.stem}.txt").write_text("".join(lines))
    lines = [f"{name}: images/{name}\n" for name in sets]
    (root / "data.yaml").write_text("".join([*lines, f"names: {json.dumps(sets['train'].names)}\n"]))
    return str(root)


def as_folders(source: Path, place: Path) -> str:
    """Write images and masks into folders of sets; return what `ftr new` takes."""
    files = sorted((source / "image").iterdir(), key=lambda path: [int(each) for each in re.findall(r"\d+", path.name)])
    for number, path in enumerate(files):
        name = "train" if number < 0.8 * len(files) else "test"
        for folder in ("image", "label"):
            (place / "masks" / name / folder).mkdir(parents=True, exist_ok=True)
            shutil.copy(source / folder / path.name, place / "masks" / name / folder)
    return str(place / "masks")


Made = Callable[[Path, Path], str]
SETS: dict[str, tuple[str, Made, str]] = {
    "objects, VOC": ("objects", lambda source, _: str(source), "detection"),
    "objects, COCO": ("objects", as_coco, "detection"),
    "objects, YOLO": ("objects", as_yolo, "detection"),
    "masks, folders": ("masks", as_folders, "segmentation"),
    "scenes, boxes": ("", lambda *_: "scenes", "detection"),
    "scenes, masks": ("", lambda *_: "scenes", "segmentation"),
}


def recipe_of(name: str, source: Path, place: Path, epochs: int | None) -> Path:
    """Let `ftr new` write the recipe of a set."""
    _, made, task = SETS[name]
    recipe = place / "new.ftr"
    command = [sys.executable, "-m", "runtime", "new", made(source, place), "-o", str(recipe)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if name.startswith("scenes"):
        command += ["--task", task]
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    if epochs:
        text = recipe.read_text(encoding="utf-8")
        recipe.write_text(re.sub(r"(for +=) \d+ epochs?", rf"\1 {epochs} epochs", text), encoding="utf-8")
    return recipe


def chosen(recipe: Path) -> str:
    """Return what `ftr new` has chosen: size, head, tiles, epochs."""
    text = recipe.read_text(encoding="utf-8")
    found = [re.search(pattern, text) for pattern in (r"size +=(.+)", r"tiles +=(.+)", r"head = \[(.+)\]")]
    epochs = " + ".join(re.findall(r"for +=(.+) epochs?", text))
    return ", ".join([*(each[1].strip() for each in found if each), f"{' '.join(epochs.split())} epochs"])


def table(rows: list[dict[str, Any]]) -> str:
    """Return the medians of each set, as Markdown."""
    lines = ["| set | chosen | seeds | time | of the processor | |", "|---|---|---|---|---|---|"]
    for name in SETS:
        own = [row for row in rows if row["set"] == name]
        if own:
            middle = middle_of(own)
            metrics = list(middle["metrics"])[:2] if middle["by"] == "ap50" else ["miou"]
            shown = ", ".join(f"{each} {_spread(middle, own, each)}" for each in metrics)
            times = f"{middle['seconds']:.0f} s | {middle['cpu']:.0f} s"
            lines.append(f"| {name} | {own[0]['chosen']} | {len(own)} | {times} | {shown} |")
    return "\n".join(lines)


def _spread(middle: dict[str, Any], rows: list[dict[str, Any]], metric: str) -> str:
    """Return the median of a metric, and its range where the seeds differ."""
    values = [row["metrics"][metric] for row in rows]
    between = f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else ""
    return f"{middle['metrics'][metric]:.3f}{between}"


def write(page: Path, made: str, heading: str = HEADING) -> None:
    """Put a table in the place of the one below the heading of a page, or a section at its end."""
    text = page.read_text(encoding="utf-8")
    if heading not in text:
        text = f"{text.rstrip()}\n\n{heading}\n\n| |\n|---|\n"
    head, _, section = text.partition(heading)
    section = re.sub(r"(?m)(^\|.*\n?)+", lambda _: f"{made}\n", section, count=1)
    page.write_text(f"{head}{heading}{section}", encoding="utf-8")


def main() -> None:
    """Measure what WORK lacks; print the table, or write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=Path)
    parser.add_argument("--masks", type=Path)
    parser.add_argument("--set", action="append", choices=SETS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--work", type=Path, default=Path("new_objects.jsonl"))
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    rows = [json.loads(each) for each in given.work.read_text().splitlines()] if given.work.exists() else []
    done = {(row["set"], row["seed"]) for row in rows}
    for name in given.set or SETS:
        source = getattr(given, SETS[name][0]) if SETS[name][0] else Path()
        missing = [seed for seed in range(1, given.seeds + 1) if (name, seed) not in done]
        if source is None or not missing:
            continue
        with tempfile.TemporaryDirectory() as folder:
            recipe = recipe_of(name, source.resolve(), Path(folder), given.epochs)
            for seed in missing:
                row = {"set": name, "chosen": chosen(recipe), **measure(recipe, seed, ["--data-root", folder])}
                rows.append(row)
                with given.work.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
                print(name, seed, f"{row['seconds']:.0f} s", row["metrics"], flush=True)
    print(table(rows))
    if given.write:
        write(given.write, table(rows))


if __name__ == "__main__":
    main()
