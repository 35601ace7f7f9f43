"""What the rules of `ftr new` gain on boxes and masks: `python bench/new_rules.py --objects VOC --masks FOLDER`.

`ftr new` writes the recipe of a set that shows a rule at work: few images, or large ones whose objects or areas are
small, made of a person's own by laying several side by side. The same recipe with the other choice runs beside it, with
the same seeds. `--objects` is a set of VOC's layout, `--masks` has the folders `image` and `label`. Metrics are those
of the test set, which took no part in the choice of a rule. Rows are appended to WORK, a line each; what is there is
not run again. `--write docs/new.md` puts the table there.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any
from xml.etree import ElementTree

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from detection_seeds import measure  # noqa: E402
from new_objects import as_folders, write  # noqa: E402

HEADING = "## Rules for boxes and masks"


def few_images(source: Path, place: Path, count: int) -> Path:
    """Copy a set of VOC's layout with `count` images to train on, spread over its list."""
    root = place / "few"
    shutil.copytree(source, root)
    listed = root / "ImageSets" / "Main" / "train.txt"
    names = listed.read_text(encoding="utf-8").split()
    listed.write_text("\n".join(names[number * len(names) // count] for number in range(count)), encoding="utf-8")
    return root


def large_images(source: Path, place: Path, side: int) -> Path:
    """Lay `side` times `side` images of a set of VOC's layout into one, with their boxes."""
    root = place / "large"
    for folder in ("Annotations", "ImageSets/Main", "JPEGImages"):
        (root / folder).mkdir(parents=True)
    for name in ("train", "val", "test"):
        pieces = (source / "ImageSets" / "Main" / f"{name}.txt").read_text(encoding="utf-8").split()
        whole = [pieces[begin : begin + side**2] for begin in range(0, len(pieces) - side**2 + 1, side**2)]
        for number, group in enumerate(whole):
            _lay(source, root, group, side, f"{name}{number}")
        names = "\n".join(f"{name}{number}" for number in range(len(whole)))
        (root / "ImageSets" / "Main" / f"{name}.txt").write_text(names, encoding="utf-8")
    return root


def _lay(source: Path, root: Path, group: list[str], side: int, name: str) -> None:
    images = [Image.open(source / "JPEGImages" / f"{each}.jpg") for each in group]
    width, height = images[0].size
    page, tree = Image.new("RGB", (side * width, side * height)), ElementTree.Element("annotation")
    ElementTree.SubElement(tree, "filename").text = f"{name}.jpg"
    size = ElementTree.SubElement(tree, "size")
    for key, value in (("width", side * width), ("height", side * height), ("depth", 3)):
        ElementTree.SubElement(size, key).text = str(value)
    for number, (image, each) in enumerate(zip(images, group, strict=True)):
        left, top = number % side * width, number // side * height
        page.paste(image, (left, top))
        for found in ElementTree.parse(source / "Annotations" / f"{each}.xml").iter("object"):
            for key, shift in (("xmin", left), ("xmax", left), ("ymin", top), ("ymax", top)):
                (corner,) = found.iter(key)
                corner.text = str(int(float(corner.text or 0)) + shift)
            tree.append(found)
    page.save(root / "JPEGImages" / f"{name}.jpg", quality=95)
    ElementTree.ElementTree(tree).write(root / "Annotations" / f"{name}.xml")


def large_masks(source: Path, place: Path, across: int, down: int) -> Path:
    """Lay images and their masks side by side, apart in training and test."""
    root = place / "laid"
    for name in ("train", "test"):
        for kind in ("image", "label"):
            folder = Path(as_folders(source, place / kind)) / name / kind
            files = sorted(folder.iterdir(), key=lambda path: [int(each) for each in re.findall(r"\d+", path.name)])
            (root / name / kind).mkdir(parents=True)
            for number in range(len(files) // (across * down)):
                group = files[number * across * down :][: across * down]
                images = [Image.open(each).convert("L") for each in group]
                width, height = images[0].size
                page = Image.new("L", (across * width, down * height))
                for at, image in enumerate(images):
                    page.paste(image, (at % across * width, at // across * height))
                page.save(root / name / kind / f"{number}.png")
    return root


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule's set, and what makes its recipe the other one: patterns, and what takes the place of each."""

    of: str
    made: Callable[[Path, Path], Path]
    chosen: str
    other: str
    changes: tuple[tuple[str, str], ...]


_BLOCK6 = ((r"base\.block7 \.\. head", "base.block6 .. head"), (r"base\.block7 = ", "base.block6 .. base.block7 = "))
_BLOCK7 = ((r"base\.block6 \.\. head", "base.block7 .. head"), (r"base\.block6 \.\. base\.block7 = ", "base.block7 = "))
_WHOLE = ((r"(?m)^ +tiles +=.*\n", ""), (r"(for +=) \d+ epochs", r"\1 30 epochs"))
RULES: dict[str, Rule] = {
    "boxes, 20 images": Rule(
        "objects", lambda source, place: few_images(source, place, 20), "block7", "block6 and block7", _BLOCK6
    ),
    "boxes, 40 images": Rule(
        "objects", lambda source, place: few_images(source, place, 40), "block7", "block6 and block7", _BLOCK6
    ),
    "boxes, 80 images": Rule(
        "objects", lambda source, place: few_images(source, place, 80), "block6 and block7", "block7", _BLOCK7
    ),
    "boxes, images of 3 x 3": Rule(
        "objects", lambda source, place: large_images(source, place, 3), "tiles", "whole, 30 epochs", _WHOLE
    ),
    "boxes, 22 images in tiles": Rule(
        "objects", lambda source, place: large_images(source, place, 3), "block7", "block6 and block7", _BLOCK6
    ),
    "masks, images of 3 x 2": Rule(
        "masks", lambda source, place: large_masks(source, place, 3, 2), "tiles", "whole, 30 epochs", _WHOLE
    ),
}


def recipes(rule: Rule, source: Path, place: Path) -> tuple[Path, Path]:
    """Return the recipe of `ftr new`, and the other one.

    Raises:
        SystemExit: the rule is not at work there.
    """
    first, second = place / "new.ftr", place / "other.ftr"
    command = [sys.executable, "-m", "runtime", "new", str(rule.made(source, place)), "-o", str(first)]
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    text = first.read_text(encoding="utf-8")
    for pattern, instead in rule.changes:
        text, count = re.subn(pattern, instead, text)
        if not count:
            raise SystemExit(f"{pattern!r} is not in the recipe:\n{text}")
    second.write_text(text, encoding="utf-8")
    return first, second


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rules with what they reach, and the other choice with what that does."""
    lines = ["| set | choice | by seed | mean | time |", "|---|---|---|---|---|"]
    for name, rule in RULES.items():
        for choice in (rule.chosen, rule.other):
            found = [row for row in rows if (row["rule"], row["choice"]) == (name, choice)]
            if found:
                values = [next(iter(row["metrics"].values())) for row in found]
                metric = {"ap50": "AP50", "miou": "mIoU"}[next(iter(found[0]["metrics"]))]
                named = f"**{choice}**" if choice == rule.chosen else choice
                each = " ".join(f"{value:.3f}" for value in values)
                seconds = mean(row["seconds"] for row in found)
                lines.append(f"| {name} | {named} | {metric} {each} | {mean(values):.3f} | {seconds:.0f} s |")
    return "\n".join(lines)


def main() -> None:
    """Measure what WORK lacks; print the table, or write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=Path)
    parser.add_argument("--masks", type=Path)
    parser.add_argument("--rule", action="append", choices=RULES)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("new_rules.jsonl"))
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    rows = [json.loads(each) for each in given.work.read_text().splitlines()] if given.work.exists() else []
    done = {(row["rule"], row["choice"], row["seed"]) for row in rows}
    for name in given.rule or RULES:
        rule, source = RULES[name], getattr(given, RULES[name].of)
        missing = [
            (choice, seed)
            for seed in range(1, given.seeds + 1)
            for choice in (rule.chosen, rule.other)
            if (name, choice, seed) not in done
        ]
        if source is None or not missing:
            continue
        with tempfile.TemporaryDirectory() as folder:
            by_choice = dict(zip((rule.chosen, rule.other), recipes(rule, source.resolve(), Path(folder)), strict=True))
            for choice, seed in missing:
                row = {"rule": name, "choice": choice, **measure(by_choice[choice], seed, ["--data-root", folder])}
                rows.append(row)
                with given.work.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
                print(name, choice, seed, f"{row['seconds']:.0f} s", row["metrics"], flush=True)
    print(table(rows))
    if given.write:
        write(given.write, table(rows), HEADING)


if __name__ == "__main__":
    main()
