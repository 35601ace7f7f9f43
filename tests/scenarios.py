"""What the examples of errors tell of: the files that there are, and what is done with the text.

`outcome(code, example, folder, right)` makes the files of a code's example in the folder, uses one of its two texts and
returns the rendered problems; the folder of the files is the current one meanwhile.
"""

from __future__ import annotations

import glob
import gzip
import json
import os
import pickle
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unicodedata
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hosted import hosted
from packs import RECIPE, make_run, pack_run
from PIL import Image
from planned import class_facts, facts, net_facts, plan_of

from recipe_lang.check.checker import check
from recipe_lang.compose.load import load, parse
from recipe_lang.output.render import render
from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from runtime.compile.weights_advice import with_weights_advice
from runtime.data.images import ImageError
from runtime.help.examples import Example
from runtime.models.heads import head_block
from runtime.runs.lineage import load_recipe
from runtime.tasks.catalog import task_of
from runtime.tasks.classification.task import CLASSIFICATION
from runtime.vocabulary import VOCABULARY

BASE = (
    "param lr = 1e-3 in log(1e-5 .. 1e-1)\n\n"
    'data {\n  train = folder("photos")\n}\n\ndefaults {\n  optimizer = adam(lr = $lr)\n}\n\n'
    'stage "head" {\n  train = head\n  for = 3 epochs\n}\n\n'
    'stage "top" {\n  train = base.block7 .. head\n  for = 5 epochs\n}\n'
)
TINY = 'gluoncv("cifar_resnet20_v1", weights = none)'
RUN = (
    f'ftr 1\nparam lr = 1e-3\ndata {{\n  train = folder("photos")\n  size = 32px\n  batch = 8\n}}\nbase = {TINY}\n'
    'stage "head" {\n  train = head\n  for = 1 epoch\n  optimizer = adam(lr = $lr)\n}\n'
)


def outcome(code: str, example: Example, folder: Path, right: bool) -> str:
    """Return the rendered problems of one of an example's two texts; empty where there are none."""
    text = example.right if right else example.wrong
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("COLUMNS", "FORCE_COLOR"):
            patch.delenv(name, raising=False)
        if code in GIVEN:
            GIVEN[code](right)
        if code in PATCHES and (not right or PATCHES[code] in (_hub, _hub_of_weights)):
            PATCHES[code](patch)
        if example.inside == "shell":
            shown = _typed(text)
        else:
            whole = text if example.inside in ("python", "json") else hosted(text, example.inside)
            shown = _rendered(lambda: USES.get(code, _check_json if example.inside == "json" else _check)(whole))
    return shown.replace(str(folder), "/home/me")


def _rendered(work: Callable[[], Any]) -> str:
    try:
        checked = work()
    except RecipeError as error:
        return "\n\n".join(render(problem) for problem in error.problems if problem.is_error)
    return "\n\n".join(render(problem) for problem in getattr(checked, "advice", ()))


def _typed(lines: str) -> str:
    """Run lines of a shell, those of `ftr` in this process; return what they say on standard error."""
    from runtime.cli import app

    said = ""
    for line in lines.splitlines():
        if line.startswith("ftr "):
            words = [name for word in shlex.split(line)[1:] for name in (glob.glob(word) if "*" in word else [word])]
            said += CliRunner().invoke(app, words).stderr
        else:
            subprocess.run(line, shell=True, check=True)
    return "\n".join(line.rstrip() for line in said.strip().splitlines())


# --- what is done with the text ---------------------------------------------------------------


def _check(text: str) -> Any:
    Path("flowers.ftr").write_text(text, encoding="utf-8")
    return check(load("flowers.ftr"), VOCABULARY)


def _check_with_run(text: str) -> Any:
    return check(load_recipe(Source("flowers.ftr", text)), VOCABULARY)


def _prepared(text: str) -> Any:
    from runtime.workflows.preparation import prepare

    Path("flowers.ftr").write_text(text)
    return prepare(Path("flowers.ftr"))


def _check_json(text: str) -> Any:
    Path("flowers.ftr.json").write_text(text, encoding="utf-8")
    return check(load("flowers.ftr.json"), VOCABULARY)


def _check_text(text: str) -> Any:
    return check(parse(Source("text", text)), VOCABULARY)


def _list(text: str) -> None:
    from runtime.data.sets import list_sets

    recipe = _check(text)
    list_sets(recipe, task_of(recipe))


def _prepared(text: str) -> Any:
    from runtime.workflows.preparation import prepare

    Path("flowers.ftr").write_text(text)
    return prepare(Path("flowers.ftr"))


def _check_weights(text: str) -> None:
    from runtime.compile.compiler import component
    from runtime.models.network import check_weights

    check_weights(component(_check(text).fields["base"]))


def _open(text: str) -> None:
    from runtime.data.sets import check_images, list_sets

    recipe = _check(text)
    check_images(recipe, list_sets(recipe, CLASSIFICATION), CLASSIFICATION, 1, lambda done, total: None, lambda: False)


def _build(text: str, starts: bool = True) -> None:
    from runtime.backend.mx import mx
    from runtime.compile.compiler import component
    from runtime.data.sets import located
    from runtime.models.network import build_model, start_weights
    from runtime.vocabulary.rules import image_size

    recipe = _check(text)
    base = component(recipe.fields["base"])
    size, _ = image_size(recipe)
    model = build_model(
        base, [component(layer) for layer in recipe["head"]], size, partial(head_block, outputs={"classes": 2})
    )
    if starts:
        with located(base.span):
            start_weights(model, base, 0, mx.cpu())


def _run(text: str) -> None:
    from runtime.training.settings import RunSettings
    from runtime.workflows.preparation import prepare
    from runtime.workflows.run import run

    Path("flowers.ftr").write_text(
        f"{text}base = {TINY}\n".replace('"photos")', '"photos")\n  size = 32px\n  batch = 4')
    )
    run(prepare(Path("flowers.ftr")), RunSettings(workers=0), Path("run"))


def _out_of_memory(text: str) -> None:
    from runtime.commands.command import mxnet

    with mxnet():
        if _check(text).block("data")["batch"] > 1000:
            raise MemoryError


def _killed(text: str) -> None:
    from runtime.training.problems import RunKilled

    data = _check(text).block("data")
    if data["batch"] > 200:
        raise RecipeError(RunKilled(span=data.span_of("batch"), signal="SIGKILL", peak=4 * 10**9, batch=256, fits=32))


def _advised(
    train: tuple[int, ...],
    valid: tuple[int, ...] = (400, 400),
    shared: bool = False,
    odd: str = "",
    sides: tuple[int, int] | None = None,
) -> Callable[[str], Any]:
    """Return a check that knows how many images each class has, whether two sets share a file, and square sides.

    `odd` is a class that the table `labels.csv` has beside the others.
    """

    def advise(text: str) -> Any:
        from runtime.compile.compiler import compile_plan
        from runtime.compile.data_advice import plan_advice
        from runtime.compile.memory import MemoryEstimate
        from runtime.data.listing import Listing, Sample

        recipe = _check(text)
        classes = ("roses", "tulips", *((odd,) if odd and '"labels.csv"' in text else ()))
        counts = {"train": train[: len(classes)], "valid": valid, "test": (400, 400)}
        plan = compile_plan(recipe, class_facts(classes, counts, sides), net_facts(7))
        other = "all" if '"all.csv"' in text else "test"
        files = {"train": "1.jpg", "test": "1.jpg" if other == "all" else "2.jpg"} if shared else {}
        listings = {name: Listing((Sample("1", 0, Path(file)),), ("roses", "tulips")) for name, file in files.items()}
        each = 60_000_000 * plan.data.size.pixels // 224**2  # bytes; the machine is a small one
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("runtime.compile.data_advice.room", lambda: 8 * 10**9)
            advice = plan_advice(recipe, plan, listings, MemoryEstimate(500_000_000, each))
        return replace(recipe, advice=advice)

    return advise


def _advised_on_numbers(text: str) -> Any:
    from runtime.compile.compiler import compile_plan
    from runtime.compile.data_advice import plan_advice
    from runtime.compile.facts import DataFacts
    from runtime.tasks.regression.targets import NumberFacts

    recipe = _check(text)
    counts = {"train": (800,), "valid": (400,)}
    numbers = NumberFacts(("width", "weight"), (9.0, 400.0), (1.5, 220.0), ((5.0, 20.0), (90.0, 2000.0)), counts)
    return replace(recipe, advice=plan_advice(recipe, compile_plan(recipe, DataFacts(numbers), net_facts(7)), {}))


def _advised_on_files(text: str) -> Any:
    from runtime.compile.compiler import compile_plan
    from runtime.compile.data_advice import plan_advice
    from runtime.compile.facts import data_facts
    from runtime.data.sets import list_sets

    recipe = _check(text)
    listings = list_sets(recipe, CLASSIFICATION)
    plan = compile_plan(recipe, data_facts(listings, recipe), net_facts(7))
    found = plan_advice(recipe, plan, listings)
    return replace(recipe, advice=tuple(each for each in found if each.code >= "W790"))


def _read(text: str) -> Any:
    from runtime.compile.image_advice import image_advice
    from runtime.data.sets import check_images, list_sets
    from runtime.system.cache.disk import FeatureCache

    recipe = _check(text)
    listings = list_sets(recipe, CLASSIFICATION)
    sound, _ = check_images(recipe, listings, CLASSIFICATION, 1, lambda done, total: None, lambda: False)
    found = image_advice(recipe, listings, sound, 1, FeatureCache(Path("cache")), lambda: False)
    return replace(recipe, advice=found)


def _looked_at(text: str) -> Any:
    from runtime.compile.image_advice import files_advice
    from runtime.data.sets import list_sets

    recipe = _check(text)
    return replace(recipe, advice=files_advice(recipe, list_sets(recipe, CLASSIFICATION), 1))


def _batch(text: str) -> None:
    from steps import step

    from runtime.data.listing import Sample
    from runtime.data.loader import batches
    from runtime.data.transforms.catalog import TRANSFORMS, Pipeline

    names: dict[str, Any] = {name: partial(step, name) for name in TRANSFORMS}
    exec(text, names)
    samples = [Sample(f"{side}.png", 0, np.zeros((side, 40, 3), np.uint8)) for side in (30, 50)]
    no_randomness = lambda sample: np.random.default_rng(0)  # noqa: E731
    list(batches(samples, range(2), 2, Pipeline(names["steps"]), no_randomness, 0, False, np.array))


def _read_params(text: str) -> None:
    from runtime.backend.mx import nd
    from runtime.weights.params_file import read_params

    exec(text, {"nd": nd, "weight": nd.ones((2, 2))})
    read_params(Path("net.params"))


def _check_sum(text: str) -> None:
    from runtime.weights.params_file import check_sha256

    Path("net.params").write_bytes(b"net")
    exec(text.replace("0676ba61", "a08a0fcb"), {"check_sha256": check_sha256, "Path": Path})


def _read_torch(text: str) -> None:
    from runtime.weights.torch_file import read_torch_file

    code = b"\x80\x02cbuiltins\nprint\n." if "state_dict" not in text else b"\x80\x02ccollections\nOrderedDict\n)R."
    facts = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    head = b"".join(pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, facts))
    Path("net.pth").write_bytes(head + code + pickle.dumps([], 2))
    read_torch_file(Path("net.pth"))


def _weights_here(text: str) -> None:
    from runtime.compile.compiler import component
    from runtime.data.sets import located
    from runtime.models.network import check_weights

    base = component(_check(text).fields["base"])
    with located(base.span):
        check_weights(base)


def _norms(text: str) -> Any:
    from runtime.backend.mx import nd
    from runtime.models import efficientnet_lite
    from runtime.models.norm_statistics import norm_advice
    from runtime.plan.size import Size

    _check(text)
    base = efficientnet_lite.build("efficientnet_lite0", Size.square(64))
    efficientnet_lite.load_packaged("efficientnet_lite0", base)
    if "swapped" in text:
        block = dict(base.parts)["block6"]
        block[2].body[-1].norm.running_mean.set_data(block[3].body[-1].norm.running_mean.data() * 3)
    return SimpleNamespace(advice=norm_advice(base, nd.zeros((4, 3, 64, 64)), "swapped.pth"))


USES: dict[str, Callable[[str], Any]] = {
    "E117": _check_text,
    **dict.fromkeys([f"E{number}" for number in range(501, 520)], _list),
    "E512": _open,
    "E513": _batch,
    **dict.fromkeys([f"E{number}" for number in (*range(520, 529), 541, 544, 547)], _build),
    "E546": _weights_here,
    "E523": _read_params,
    "E524": _read_torch,
    "E525": _check_sum,
    "E540": _build,
    "E542": _weights_here,
    "E550": plan_of,
    "E553": _list,
    **dict.fromkeys((f"E{number}" for number in range(579, 588)), _list),
    **dict.fromkeys(("W786", "W787"), lambda text: _prepared(text)),
    **dict.fromkeys(("E576", "E577", "E578", "E590", "E591", "E592", "E593"), _list),
    "E551": lambda text: plan_of(text, data=facts(320)),
    "E552": lambda text: _build(text, starts=False),
    **dict.fromkeys(("E554", "E555", "E557", "E559"), _check_weights),
    "E564": _check_with_run,
    "E601": _run,
    "E607": _out_of_memory,
    "E650": _killed,
    "W740": _advised((900, 100)),
    "W741": lambda text: _advised((7, 400) if "50%" in text else (12, 400))(text),
    "W742": _advised((400, 400), (15, 15)),
    "W743": lambda text: _advised(*(((450, 450), (50, 50)) if "10%" in text else ((250, 250), (250, 250))))(text),
    "W744": _advised((50, 50)),
    "W745": _advised((500, 500)),
    "W746": _advised((250, 250)),
    "W749": lambda text: _advised((400, 400), (60, 0) if "5%" in text else (80, 80))(text),
    "W750": lambda text: replace(recipe := _check(text), advice=with_weights_advice(recipe)),
    "W775": lambda text: replace(recipe := _check(text), advice=with_weights_advice(recipe)),
    "W751": _looked_at,
    "W760": _read,
    "W761": _read,
    "W771": _norms,
    "W748": _advised_on_numbers,
    "W747": _advised((400, 400), shared=True),
    "W770": _advised((400, 400)),
    "W781": _prepared,
    "W782": _prepared,
    "W785": _advised((400, 400)),
    **dict.fromkeys(("W790", "W791", "W792"), _advised_on_files),
    "W794": _advised((400, 400, 400), odd="Tulips"),
    "W795": _advised((400, 400, 400), odd="nan"),
    "W797": _advised((400, 400), sides=(64, 64)),
}


# --- the files that there are -----------------------------------------------------------------


def _photos(root: str = "photos", ending: str = "jpg", **counts: int) -> None:
    for name, count in (counts or {"roses": 25, "tulips": 25}).items():
        folder = Path(root, name)
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            colour = (200 - 5 * number, 40 + number, 90 if name == "roses" else 30)
            Image.new("RGB", (40, 36), colour).save(folder / f"{number}.{ending}", "JPEG")


def _a_pointer() -> None:
    _photos()
    Path("photos/roses/1.jpg").write_text("version https://git-lfs.github.com/spec/v1\n")
    Path("photos.exclude.txt").write_text("roses/1.jpg\n")


def _copies() -> None:
    _photos()
    Path("more/roses").mkdir(parents=True)
    Image.new("RGB", (40, 36), (5, 5, 5)).save("more/roses/6.jpg")
    shutil.copy("photos/roses/1.jpg", "more/roses/7.jpg")
    Path("photos.exclude.txt").write_text("[train]\nroses/1.jpg\n")


def _one_in_the_holdout() -> None:
    from runtime.data.sets import list_sets

    _photos(roses=25, tulips=125)
    recipe = _check(RUN.replace('"photos")', '"photos")\n  valid = holdout(1%)'))
    (held,) = [sample for sample in list_sets(recipe, CLASSIFICATION)["valid"].samples if sample.target == 0]
    Path(held.image).write_text("<!DOCTYPE html><html>")


def _parents(right: bool) -> None:
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
    _photos()
    Path("photos/roses/7.jpg").write_text("<!DOCTYPE html><html>")


def _web_pages() -> None:
    for name in ("photos/roses/1.jpg", "photos/tulips/1.jpg"):
        Path(name).parent.mkdir(parents=True)
        Path(name).write_text("<!DOCTYPE html><html>")


def _heic(right: bool) -> None:
    _photos(roses=40)
    _photos(ending="jpg" if right else "heic", tulips=40)
    for path in Path("photos").rglob("*.heic"):
        path.write_bytes(b"\0\0\0\x18ftypheic")


def _some_heic() -> None:
    _photos("photos")
    _photos("converted", roses=25, tulips=45)
    for number in range(20):
        Path(f"photos/tulips/{number}b.heic").touch()


def _sets_in_classes() -> None:
    for label, name in (("roses", "train"), ("roses", "test"), ("tulips", "train"), ("tulips", "test")):
        _photos(f"photos/{label}", **{name: 40})
        _photos(f"sets/{name}", **{label: 40})


def _weights(right: bool) -> None:
    from runtime.backend.mx import mx
    from runtime.models import zoo as families

    net = families.build("gluoncv", "cifar_resnet20_v1")
    net.initialize(mx.init.Zero())
    net(mx.nd.zeros((1, 3, 32, 32)))
    Path("models").mkdir()
    net.save_parameters("net.params")
    data = Path("net.params").read_bytes()
    Path("models/net.params").write_bytes(data)
    Path("copy.params").write_bytes(data[:-100])
    Path("download.params").write_text("<!DOCTYPE html><html>")


_TRAINED: list[Path] = []  # the folder of the one run that all examples of finished runs share


def _finished(right: bool) -> None:
    from runtime.training.settings import RunSettings
    from runtime.workflows.preparation import prepare
    from runtime.workflows.run import run

    _photos(roses=10, tulips=10)
    Path("flowers.ftr").write_text(RUN)
    Path("notes.txt").touch()
    Image.new("RGB", (40, 36)).save("rose.jpg")
    if not _TRAINED:
        folder = Path(tempfile.mkdtemp())
        run(prepare(Path("flowers.ftr")), RunSettings(workers=0), folder)
        _TRAINED.append(folder)
    shutil.copytree(_TRAINED[0], "runs/flowers-1")


def _skipping(right: bool) -> None:
    _finished(right)
    path = Path("runs/flowers-1/resolved.ftr")
    path.write_text(path.read_text().replace("on_error = stop", "on_error = skip"))


def _new_photos(right: bool) -> None:
    """Leave a run, its pack, and photos that it has not seen."""
    _finished(right)
    pack_run(Path("runs/flowers-1"), Path("flowers.ftrpack"))
    for name, colour in {"roses": (200, 9, 9), "tulips": (9, 9, 200)}.items():
        Path("photos-of-2026", name).mkdir(parents=True)
        Image.new("RGB", (40, 36), colour).save(f"photos-of-2026/{name}/1.jpg")


def _left(right: bool) -> None:
    """Leave a run of flowers.ftr, as if it had run here and had been interrupted."""
    _interrupted(right)
    path = Path("runs/flowers-1/run.json")
    began = json.loads(path.read_text())
    path.write_text(json.dumps({**began, "recipe": str(Path("flowers.ftr").absolute())}))
    Path("longer.ftr").write_text(RUN.replace("1 epoch", "2 epochs"))


def _exported(right: bool) -> None:
    _finished(right)
    from runtime.backend.mx import mx
    from runtime.runs.trained import load
    from runtime.workflows.export import export

    export(load(Path("runs/flowers-1")), "symbol", Path("flowers"), mx.cpu())
    Path("found.onnx").write_bytes(b"found")


def _interrupted(right: bool, leave: Callable[[bool], None] = _finished) -> None:
    leave(right)
    path = Path("runs/flowers-1/result.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "status": "interrupted"}))


def _damaged(right: bool) -> None:
    _left(right)
    for path in Path("runs/flowers-1/checkpoints").glob("*.params"):
        path.write_bytes(path.read_bytes()[:-7])


def _foreign_checkpoint(right: bool) -> None:
    from runtime.runs.checkpoints import Checkpoints, newest
    from runtime.training.state import Snapshot

    _left(right)
    folder = Path("runs/flowers-1")
    found = newest(folder)
    assert found is not None
    arrays = {"model/head.0.weight": np.zeros((2, 3), np.float32)}
    snapshot = Snapshot(found.state.as_plain(), {"now": ("", lambda: arrays)})
    Checkpoints(folder, found.recipe).write(snapshot, found.metrics_bytes, found.elapsed_s)


def _edited(right: bool) -> None:
    _left(right)
    Path("flowers.ftr").write_text(RUN.replace("1e-3", "2e-3"))


def _never_run(right: bool) -> None:
    _photos(roses=10, tulips=10)
    _recipe(right)


def _locked_recipe(right: bool) -> None:
    _never_run(right)
    _typed("ftr lock flowers.ftr --threads 1")


def _merged(right: bool) -> None:
    _never_run(right)
    Path("flowers.ftr.lock").write_text("lock = 1\n\n[data]\n<<<<<<< HEAD\n")


def _parent_run(right: bool) -> None:
    _photos()
    text = RECIPE.replace('gluoncv("cifar_resnet20_v1", weights = none)', 'packaged("efficientnet_lite0")')
    make_run(Path("runs/flowers-3"), ("roses", "tulips", "violets"), text)


def _detector(right: bool) -> None:
    from runtime.backend.mx import mx
    from runtime.models import zoo as families

    _photos()
    net = families.build("gluoncv", "resnet18_v1b")
    net.initialize(mx.init.Zero())
    net(mx.nd.zeros((1, 3, 64, 64)))
    net.save_parameters("resnet18_v1b.params")
    layers = [net.conv1, net.bn1, net.relu, net.maxpool, net.layer1, net.layer2, net.layer3, net.layer4]
    blocks = mx.gluon.nn.HybridSequential()
    blocks.add(*layers)
    arrays = {f"base_network.base_network.{name}": each for name, each in blocks._collect_params_with_prefix().items()}
    mx.nd.save("center_net.params", {name: each.data() for name, each in arrays.items()} | {"head.bias": mx.nd.ones(3)})


def _packed(right: bool) -> None:
    """Leave a pack, half of it, and one to which something was added."""
    _finished(right)
    pack_run(Path("runs/flowers-1"), Path("flowers.ftrpack"))
    Path("half.ftrpack").write_bytes(Path("flowers.ftrpack").read_bytes()[:9000])
    shutil.copy("flowers.ftrpack", "found.ftrpack")
    with zipfile.ZipFile("found.ftrpack", "a") as archive:
        archive.writestr("../../.bashrc", "")


def _hub(patch: pytest.MonkeyPatch) -> None:
    """Put a hub in place that has the repository me/flowers."""
    import httpx2
    from huggingface_hub.errors import RepositoryNotFoundError

    from runtime.workflows import hub

    def sent(url: str) -> Any:
        if "me/flowers/" not in url:
            raise RepositoryNotFoundError("404", response=httpx2.Response(404, request=httpx2.Request("HEAD", url)))
        return SimpleNamespace(size=1, commit_hash=None)

    def download(*_: object, local_dir: str, **__: object) -> str:
        return str(shutil.copy(pack, local_dir))

    _packed(right=True)
    pack = Path("flowers.ftrpack").rename("packed").absolute()
    patch.setattr(hub, "get_hf_file_metadata", sent)
    patch.setattr(hub, "hf_hub_download", download)


COMMIT = "8c8160af334519b13c56546bfaf1b70e3b86444b"


def _hub_of_weights(patch: pytest.MonkeyPatch) -> None:
    """Put a hub in place that has nothing but what is here: me/resnet50d and me/broken."""
    import httpx2
    import huggingface_hub
    from huggingface_hub.errors import RepositoryNotFoundError

    def sent(url: str) -> Any:
        raise RepositoryNotFoundError("404", response=httpx2.Response(404, request=httpx2.Request("HEAD", url)))

    for name, mean in {"resnet50d": [0.5, 0.5, 0.5], "broken": [0.5, 0.5]}.items():
        repository = Path("hub", f"models--me--{name}")
        snapshot = repository / "snapshots" / COMMIT
        snapshot.mkdir(parents=True)
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text(COMMIT)
        (snapshot / "model.safetensors").write_bytes(b"weights")
        config = {"architecture": "resnet50d", "pretrained_cfg": {"mean": mean, "std": [0.5, 0.5, 0.5]}}
        (snapshot / "config.json").write_text(json.dumps(config))
    patch.setenv("HF_HUB_CACHE", "hub")
    patch.setattr(huggingface_hub, "get_hf_file_metadata", sent, raising=False)


def _recipe(right: bool, encoding: str = "utf-8") -> None:
    Path("flowers.ftr").write_text(RUN, encoding=encoding)


def _squeezenet() -> None:
    """Leave weights with the names of torchvision's squeezenet1_1."""
    from runtime.models.pytorch import built, infer
    from runtime.models.torch_names import torch_names
    from runtime.plan.size import Size
    from runtime.weights.safetensors_file import write_safetensors

    whole, cut = built("gluon", "squeezenet1.1", Size.square(64))
    infer(cut, Size.square(64))
    shapes = {name: each.shape for name, each in torch_names(whole, "squeezenet1.1").items()}
    arrays = {name: np.zeros(shape, np.float32) for name, shape in shapes.items() if 0 not in shape}
    write_safetensors(Path("net.safetensors"), arrays)


def _exported_net() -> None:
    """Leave a network of Gluon's, exported: a convolution, and a dense layer for images of 64 x 64 pixels."""
    from runtime.backend.mx import mx, nn

    net = nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(nn.Conv2D(4, 3, strides=2, padding=1), nn.Flatten(), nn.Dense(8), nn.Dense(2))
    net.initialize()
    net.hybridize()
    net(mx.nd.zeros((1, 3, 64, 64)))
    net.export("net")


GIVEN: dict[str, Callable[[bool], None]] = {
    **dict.fromkeys(("E114", "E115", "E116", "E117", "E211", "E313"), _parents),
    "E108": lambda right: _recipe(right, "utf-16"),
    "E109": lambda right: (_recipe(right), Path("flowers.csv").write_text("1,2\n" * 500_000))[0],
    "E110": _recipe,
    "E118": _recipe,
    "E210": _recipe,
    "E501": lambda right: _photos("data/photos"),
    "E502": _flat,
    "E503": lambda right: (_photos("photos/train"), _photos("photos/test"))[0],
    "E504": _heic,
    "E505": lambda right: _photos("photos/photos"),
    "E506": _workbook,
    "E507": lambda right: _table("labels.csv", *_ROWS),
    "E508": lambda right: _table("labels.csv", *_ROWS, root="photos"),
    "E509": lambda right: (
        _table("labels.csv", *_ROWS[:2], "3.jpg,", *_ROWS[3:]),
        _table("complete.csv", *_ROWS),
    )[0],
    "E511": _clothes,
    "E512": _web_page,
    "E514": lambda right: (_photos("photos/train"), _photos("photos/valid", lilies=3, roses=3))[0],
    "E515": lambda right: _photos(roses=40, tulips=40, lilies=2),
    "E516": lambda right: _photos(),
    "E517": lambda right: _photos(),
    **dict.fromkeys(("E518", "E519"), lambda right: _numbers()),
    **dict.fromkeys((*(f"E{number}" for number in range(579, 588)), "W786", "W787"), _objects),
    **dict.fromkeys(("E590", "E591", "E593"), _masks),
    "E592": lambda right: _masks(right, "RGB"),
    "E520": lambda right: (_weights(right), Path("net.params").unlink())[0],
    "E530": lambda right: _photos() if right else _web_pages(),
    "E531": lambda right: (_table("labels.csv", *_ROWS), Path("numbers.csv").write_text("id,kind\n1,a\n2,b\n"))[0],
    "E532": lambda right: (
        _table("labels.csv", *_ROWS),
        Path("files.csv").write_text("\n".join(["file", *(row.partition(",")[0] for row in _ROWS), ""])),
    )[0],
    "E533": lambda right: (_photos(), Path("photos.ftr").touch())[0],
    "E534": lambda right: _photos(os.fsdecode(b"caf\xe9")),
    "E535": lambda right: _photos(),
    "E556": lambda right: (_photos(), _leaves())[0],
    **dict.fromkeys(("E521", "E522", "E526", "E527", "E540"), _weights),
    **dict.fromkeys(("E541", "E542", "E543"), lambda right: _squeezenet()),
    **dict.fromkeys(("E544", "E545", "E546", "E547"), lambda right: _exported_net()),
    "W751": lambda right: _a_pointer(),
    "W760": lambda right: _copies(),
    "W761": lambda right: _one_in_the_holdout(),
    "W790": lambda right: _some_heic(),
    "W791": lambda right: (_photos("photos/day"), _photos("photos/night"))[0],
    "W792": lambda right: _sets_in_classes(),
    "E553": lambda right: (
        _photos(),
        Path("photos.exclude.txt").write_text("# broken\nroses/1.jpg\n"),
        Path("old.exclude.txt").write_text("# broken\nroses/1.jpeg\n"),
    )[0],
    **dict.fromkeys(("E560", "E563"), _never_run),
    "E561": _locked_recipe,
    "E562": _merged,
    **dict.fromkeys(("E570", "E571", "E572"), _packed),
    "E575": lambda right: _interrupted(right, _packed),
    "E576": lambda right: _tables(
        lambda _, row: [f"{row},yes,{row.partition(',')[2]}"], "right.csv", "file,kind,kind,kind of flower"
    ),
    "E577": lambda right: _tables(lambda _, row: [row] * (2 if "rose" in row else 1), "once.csv"),
    "E578": lambda right: _tables(
        lambda n, row: [unicodedata.normalize(("NFC", "NFD")[n % 2], row.replace("rose", "ros\xe9"))], "alike.csv"
    ),
    "E601": lambda right: _photos(roses=20, tulips=20),
    **dict.fromkeys(("E602", "E603", "E604", "E605", "E606", "E608", "E690"), _finished),
    "E691": _interrupted,
    **dict.fromkeys(("E695", "E696"), _new_photos),
    "E564": _parent_run,
    "W781": _parent_run,
    "W782": _detector,
    "E640": _damaged,
    "E641": _foreign_checkpoint,
    "E642": _edited,
    **dict.fromkeys(("E643", "E644", "E645"), _left),
    **dict.fromkeys(("E646", "E647", "E648", "E651", "E652"), _finished),
    "E653": _skipping,
    "E649": _exported,
}


def _without_packages(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("runtime.data.sources.packaged.find_spec", lambda name: None)
    patch.setattr("runtime.models.packaged.find_spec", lambda name: None)
    patch.setattr("runtime.system.installation._checkout", lambda: (None, False))


def _offline(patch: pytest.MonkeyPatch) -> None:
    import requests

    def refuse(*_: object, **__: object) -> None:
        raise requests.ConnectionError("no route to host")

    patch.setattr(requests, "get", refuse)
    patch.setattr(requests, "head", refuse)
    patch.setenv("MXNET_HOME", "cache")


def _read_only(patch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    patch.setattr("tempfile.mkstemp", refuse)


def _locked(patch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise BlockingIOError

    patch.setattr("fcntl.flock", refuse)


def _without_onnx(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(sys.modules, "onnx", None)
    patch.setattr("runtime.system.installation._checkout", lambda: (None, False))


def _without_rows(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("runtime.export.network.OPERATORS", {})


def _faulty_runtime(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("runtime.workflows.export_check.session", lambda content: lambda given: np.array([[0.5, 0.5]]))


def _few_bits(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("runtime.workflows.export.reduced", lambda model, *_: model)
    patch.setattr("runtime.workflows.export_check.session", lambda content: lambda given: np.array([[0.0, 1.0]]))


def _other_runtime(patch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("[ONNXRuntimeError] : 1 : FAIL : Opset 18 is under development")

    patch.setattr("onnxruntime.InferenceSession", refuse)


def _gone(patch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ImageError("No such file or directory")

    patch.setattr("runtime.workflows.export_check.open_rgb", refuse)


PATCHES: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "E118": _read_only,
    "E510": _without_packages,
    "E528": _without_packages,
    **dict.fromkeys(("E540", "W750"), _offline),
    "E643": _locked,
    "E646": _without_onnx,
    "E647": _without_rows,
    "E648": _faulty_runtime,
    "E651": _few_bits,
    "E652": _other_runtime,
    "E653": _gone,
    **dict.fromkeys(("E573", "E574"), _hub),
    **dict.fromkeys(("E554", "E555", "E557", "E558", "E559", "W775"), _hub_of_weights),
}


def codes_in(shown: str) -> list[str]:
    """Return the codes of rendered problems, in order."""
    return re.findall(r"^(?:error|advice)\[(\w+)\]", shown, re.MULTILINE)
