"""The images, tables and other files that examples tell of: `IMAGES` by code."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import shutil
import tarfile
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
from croissants import described, file_object, of_table, record_field, record_set
from PIL import Image

BASE = (
    "param lr = 1e-3 in log(1e-5 .. 1e-1)\n\n"
    'data {\n  train = folder("photos")\n}\n\ndefaults {\n  optimizer = adam(lr = $lr)\n}\n\n'
    'stage "head" {\n  train = head\n  for = 3 epochs\n}\n\n'
    'stage "top" {\n  train = base.block7 .. head\n  for = 5 epochs\n}\n'
)


def make_photos(root: str = "photos", ending: str = "jpg", **counts: int) -> None:
    for name, count in (counts or {"roses": 25, "tulips": 25}).items():
        folder = Path(root, name)
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            colour = (200 - 5 * number, 40 + number, 90 if name == "roses" else 30)
            Image.new("RGB", (40, 36), colour).save(folder / f"{number}.{ending}", "JPEG")


def _a_pointer() -> None:
    make_photos()
    Path("photos/roses/1.jpg").write_text("version https://git-lfs.github.com/spec/v1\n")
    Path("photos.exclude.txt").write_text("roses/1.jpg\n")


def _copies() -> None:
    make_photos()
    Path("more/roses").mkdir(parents=True)
    Image.new("RGB", (40, 36), (5, 5, 5)).save("more/roses/6.jpg")
    shutil.copy("photos/roses/1.jpg", "more/roses/7.jpg")
    Path("photos.exclude.txt").write_text("[train]\nroses/1.jpg\n")


def make_parents(right: bool) -> None:
    for folder in (Path(), Path("..")):
        Path(folder, "base.ftr").write_text(f"ftr 1\n{BASE}")
    Path("circle.ftr").write_text('ftr 1\nextends "flowers.ftr"\n')
    for number in range(1, 10):
        parent = "base" if number == 9 else f"parent{number + 1}"
        Path(f"parent{number}.ftr").write_text(f'ftr 1\nextends "{parent}.ftr"\n')


def _table(name: str, *lines: str, root: str = ".") -> None:
    for number in range(1, len(lines) + 1):
        Path(root).mkdir(exist_ok=True)
        Image.new("RGB", (40, 36)).save(Path(root, f"{number}.jpg"))
    Path(name).write_text("\n".join(["file,kind", *lines, ""]))


_ROWS = [f"{number}.jpg,{'tulip' if number % 3 else 'rose'}" for number in range(1, 49)]


def _numbers() -> None:
    for name in ("train.csv", "test.csv"):
        _table(name, *(f"{number}.jpg,{number},{number % 7},3" for number in range(1, 49)))
        Path(name).write_text(Path(name).read_text().replace("file,kind", "file,width,height,same", 1))


def _street(name: str, objects: Callable[[int], list[str]], count: int = 8) -> None:
    """Write images of 64 pixels with an annotation of VOC each, of boxes with these classes."""
    Path(name).mkdir()
    for number in range(count):
        Image.fromarray(np.full((64, 64, 3), 20 * number, np.uint8)).save(f"{name}/{number}.jpg")
        rows = [
            f"<object><name>{each.strip('-')}</name><bndbox><xmin>{40 if each[0] == '-' else 9}</xmin><ymin>9</ymin>"
            f"<xmax>{32}</xmax><ymax>{30 + number}</ymax></bndbox></object>\n"
            for each in objects(number)
        ]
        size = "<size><width>64</width><height>64</height></size>"
        Path(f"{name}/{number}.xml").write_text(f"<annotation>\n{size}\n{''.join(rows)}</annotation>\n")


def _both(number: int) -> list[str]:
    return ["car", "dog"] if number % 2 else ["car"]


def _objects(right: bool) -> None:
    """Write `street` and folders that are wrong in one way each."""
    _street("street", _both)
    _street("cut", _both)
    cut = Path("cut/3.xml")
    cut.write_text(cut.read_text()[:190])
    _street("tool", lambda number: [*_both(number), "background"])
    _street("more", lambda number: [*_both(number), "bus"])
    _street("empty", lambda number: [])
    _street("rare", lambda number: ["bus", "car"] if number == 2 else _both(number))
    _street("swapped", lambda number: ["car", "-dog", "dog"] if number < 2 else _both(number))
    _street("photos", lambda number: [])
    for path in Path("photos").glob("*.xml"):
        path.unlink()
    for path in Path("photos").glob("*.jpg"):
        path.rename(path.with_stem(f"photo{path.stem}"))
    for place in ("Annotations", "JPEGImages", "ImageSets/Main"):
        Path("lists", place).mkdir(parents=True)
    for path in Path("street").iterdir():
        shutil.copy(path, Path("lists", "Annotations" if path.suffix == ".xml" else "JPEGImages", path.name))
    Path("lists/ImageSets/Main/train.txt").write_text("\n".join(map(str, range(8))))
    categories = [{"id": 3, "name": "car"}, {"id": 8, "name": "dog"}]
    images = [{"id": number, "file_name": f"{number}.jpg", "width": 64, "height": 64} for number in range(8)]
    rows = [{"image_id": n, "category_id": k, "bbox": [9, 9, 20, 20]} for n in range(8) for k in (3, 8)]
    Path("street.json").write_text(json.dumps({"images": images, "annotations": rows, "categories": categories}))


def _masks(right: bool, mode: str = "L") -> None:
    """Write images and masks of 64 pixels: half a wall, half a door."""
    for place, count in (("images", 64), ("others", 8), ("masks", 64), ("all", 7)):
        Path(place).mkdir()
        for number in range(count):
            half = np.zeros((64, 64), np.uint8)
            half[:, 8 + number % 40 :] = 1
            if place in ("images", "others"):
                Image.fromarray(80 * half + number).convert("RGB").save(f"{place}/{number}.jpg")
            else:
                colors = np.stack([half] * 3, axis=-1) if mode == "RGB" else half
                Image.fromarray(colors).save(f"{place}/{number}.png")


def _leaves() -> None:
    rows = [f"{number}.jpg,{number / 8}" for number in range(1, 49)]
    _table("leaves.csv", *rows)
    Path("leaves.csv").write_text("\n".join(["file,weight", *rows, ""]))


def _labels(right: bool) -> None:
    """Write tables of 48 images with labels, and tags beside 8 photos."""
    both = ["cat|dog", "dog", "", "cat"]

    def write(name: str, labels: Callable[[int], str]) -> None:
        _table(name, *(f"{number}.jpg,{labels(number)}" for number in range(1, 49)))

    write("pets.csv", lambda n: both[n % 4])
    write("typo.csv", lambda n: "cta" if n == 3 else both[n % 4])
    write("few.csv", lambda n: "fox" if n == 3 else both[n % 4])
    write("blank.csv", lambda n: "")
    write("one.csv", lambda n: ["cat", "dog"][n % 2])
    rows = [f"{number}.jpg,{number % 2},0" for number in range(1, 49)]
    Path("none.csv").write_text("\n".join(["file,cat,fox", *rows, ""]))
    Path("photos").mkdir()
    for number in range(8):
        Image.new("RGB", (40, 36), (30 * number, 40, 90)).save(f"photos/{number}.jpg")
    for name, plain in (("tags", {f"{n}.jpg": both[n % 4].split("|") for n in range(8)}), ("list", ["0.jpg"])):
        Path(f"{name}.json").write_text(json.dumps(plain))


def _tables(wrong: Callable[[int, str], list[str]], right_name: str, head: str = "file,kind") -> None:
    """Write `labels.csv`, its rows as `wrong` changes them by their number, and the right rows under another name."""
    _table("labels.csv", *_ROWS)
    _table(right_name, *_ROWS)
    lines = [line for number, row in enumerate(_ROWS) for line in wrong(number, row)]
    Path("labels.csv").write_text("\n".join([head, *lines, ""]), "utf-8")


def _flat(right: bool) -> None:
    _table("labels.csv", *_ROWS, root="photos")
    Path("labels.csv").rename("photos/labels.csv")


def _workbook(right: bool) -> None:
    _table("labels.csv", *_ROWS)
    Path("labels.xlsx").write_bytes(b"PK\x03\x04\xff\xfe workbook")


def _clothes(right: bool) -> None:
    for folder in (Path("clothes"), Path("fashion-mnist")):
        folder.mkdir()
        for part, count in (("train", 200), ("t10k", 20)):
            pixels, labels = bytes(count * 784), bytes(number % 10 for number in range(count))
            images = b"\0\0\x08\x03" + b"".join(side.to_bytes(4, "big") for side in (count, 28, 28)) + pixels
            cut = images[:-5] if folder.name == "clothes" else images
            (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(cut))
            (folder / f"{part}-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + count.to_bytes(4, "big") + labels)


def _web_page(right: bool) -> None:
    make_photos()
    Path("photos/roses/7.jpg").write_text("<!DOCTYPE html><html>")


def _web_pages() -> None:
    for name in ("photos/roses/1.jpg", "photos/tulips/1.jpg"):
        Path(name).parent.mkdir(parents=True)
        Path(name).write_text("<!DOCTYPE html><html>")


def _heic(right: bool) -> None:
    make_photos(roses=40)
    make_photos(ending="jpg" if right else "heic", tulips=40)
    for path in Path("photos").rglob("*.heic"):
        path.write_bytes(b"\0\0\0\x18ftypheic")


def _some_heic() -> None:
    make_photos("photos")
    make_photos("converted", roses=25, tulips=45)
    for number in range(20):
        Path(f"photos/tulips/{number}b.heic").touch()


def _sets_in_classes() -> None:
    for label, name in (("roses", "train"), ("roses", "test"), ("tulips", "train"), ("tulips", "test")):
        make_photos(f"photos/{label}", **{name: 40})
        make_photos(f"sets/{name}", **{label: 40})


def _archives(right: bool) -> None:
    for folder in map(Path, ("cifar-10-batches-bin", "cut", "found")):
        folder.mkdir()
        (folder / "batches.meta.txt").write_text("cat\ndog\n")
        for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
            records = b"".join(bytes([number % 2]) + bytes([number]) * 3072 for number in range(20))
            (folder / f"{name}.bin").write_bytes(records[: -9 if folder.name == "cut" else None])
            if folder.name == "found":
                (folder / name).write_bytes(pickle.dumps({"data": print}, 2))
    (Path("found") / "batches.meta").write_bytes(pickle.dumps({"label_names": print}, 2))
    make_photos()
    Path("shards").mkdir()
    with tarfile.open("shards/train-0.tar", "w") as shard:
        for number, path in enumerate(sorted(Path("photos").rglob("*.jpg"))):
            Path("label.txt").write_text(path.parent.name)
            shard.add(path, f"{number:03}.jpg")
            shard.add("label.txt", f"{number:03}.cls")


def _described(right: bool) -> None:  # noqa: ARG001
    make_photos()
    rows = "".join(f"{path},{path.parent.name}\n" for path in sorted(Path("photos").rglob("*.jpg")))
    Path("pets.csv").write_text(f"file,kind\n{rows}")
    fields = [
        record_field(f"pets/{name}", kind, of_table("table", name))
        for name, kind in (("file", "sc:ImageObject"), ("kind", ["sc:Text", "cr:Label"]))
    ]
    for name, url, digest in (
        ("pets", "pets.csv", ""),
        ("away", "https://example.org/cats.csv", ""),
        ("other", "pets.csv", "0" * 64),
    ):
        described(Path(f"{name}.json"), [file_object("table", url, sha256=digest)], [record_set("pets", fields)])


IMAGES: dict[str, Callable[[bool], None]] = {
    **dict.fromkeys(("E114", "E115", "E116", "E117", "E211", "E313"), make_parents),
    "E501": lambda right: make_photos("data/photos"),
    "E502": _flat,
    "E503": lambda right: (make_photos("photos/train"), make_photos("photos/test"))[0],
    "E504": _heic,
    "E505": lambda right: make_photos("photos/photos"),
    "E506": _workbook,
    "E507": lambda right: _table("labels.csv", *_ROWS),
    "E508": lambda right: _table("labels.csv", *_ROWS, root="photos"),
    "E509": lambda right: (
        _table("labels.csv", *_ROWS[:2], "3.jpg,", *_ROWS[3:]),
        _table("complete.csv", *_ROWS),
    )[0],
    "E511": _clothes,
    **dict.fromkeys(("E529", "E536", "E537", "E538"), _archives),
    **dict.fromkeys(("E539", "E549", "E569"), _described),
    "E512": _web_page,
    "E514": lambda right: (make_photos("photos/train"), make_photos("photos/valid", lilies=3, roses=3))[0],
    "E515": lambda right: make_photos(roses=40, tulips=40, lilies=2),
    **dict.fromkeys(("E594", "E589"), lambda right: make_photos(roses=25, tulips=25, lilies=25)),
    "E516": lambda right: make_photos(),
    "E517": lambda right: make_photos(),
    **dict.fromkeys(("E565", "E566", "E567"), lambda right: make_photos()),
    "E588": lambda right: (
        _table("labels.csv", *_ROWS),
        Path("labels.csv").write_text(
            "file,kind,blurred,certainty\n" + "\n".join(f"{row},0,{n % 5 / 4}" for n, row in enumerate(_ROWS))
        ),
    )[0],
    "E568": lambda right: (
        _table("labels.csv", *_ROWS),
        Path("labels.csv").write_text(
            "\n".join(
                ["file,kind,read,taken", *(f"{row},2024-05-01,2024-04-{1 + n % 28:02}" for n, row in enumerate(_ROWS))]
            )
        ),
    )[0],
    **dict.fromkeys(("E518", "E519"), lambda right: _numbers()),
    **dict.fromkeys((*(f"E{number}" for number in range(579, 588)), "W786", "W787"), _objects),
    **dict.fromkeys(("E590", "E591", "E593"), _masks),
    "E592": lambda right: _masks(right, "RGB"),
    **dict.fromkeys((*(f"E{number}" for number in range(595, 600)), "W755", "W756", "W757"), _labels),
    "E530": lambda right: make_photos() if right else _web_pages(),
    "E531": lambda right: (_table("labels.csv", *_ROWS), Path("numbers.csv").write_text("id,kind\n1,a\n2,b\n"))[0],
    "E532": lambda right: (
        _table("labels.csv", *_ROWS),
        Path("files.csv").write_text("\n".join(["file", *(row.partition(",")[0] for row in _ROWS), ""])),
    )[0],
    "E533": lambda right: (make_photos(), Path("photos.ftr").touch())[0],
    "E534": lambda right: make_photos(os.fsdecode(b"caf\xe9")),
    "E535": lambda right: make_photos(),
    "E556": lambda right: (make_photos(), _leaves())[0],
    "W751": lambda right: _a_pointer(),
    "W760": lambda right: _copies(),
    "W790": lambda right: _some_heic(),
    "W791": lambda right: (make_photos("photos/day"), make_photos("photos/night"))[0],
    "W792": lambda right: _sets_in_classes(),
    "E553": lambda right: (
        make_photos(),
        Path("photos.exclude.txt").write_text("# broken\nroses/1.jpg\n"),
        Path("old.exclude.txt").write_text("# broken\nroses/1.jpeg\n"),
    )[0],
    "E576": lambda right: _tables(
        lambda _, row: [f"{row},yes,{row.partition(',')[2]}"], "right.csv", "file,kind,kind,kind of flower"
    ),
    "E577": lambda right: _tables(lambda _, row: [row] * (2 if "rose" in row else 1), "once.csv"),
    "E578": lambda right: _tables(
        lambda n, row: [unicodedata.normalize(("NFC", "NFD")[n % 2], row.replace("rose", "ros\xe9"))], "alike.csv"
    ),
    "E601": lambda right: make_photos(roses=20, tulips=20),
}
