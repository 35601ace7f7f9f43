"""Files that somebody may have made to do harm: sound ones, damaged at random, and what reads each kind.

`FORMATS` has a row for each kind of file that ftr reads from others: how sound ones are made, and the function that
reads one. A reader gives something or raises `RecipeError`; anything else is a bug.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import random
import stat
import struct
import tarfile
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from croissants import as_kaggle, of_folders
from packs import RECIPE, make_run, pack_run
from PIL import Image
from python2_pickles import python2
from recipes_at_random import damaged as damaged_recipe
from rich.console import Console
from torch_files import SIX, state, storage, tensor, text, whole_file, zip_file

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from runtime.compile.components import component
from runtime.data.exclude import read_excluded
from runtime.data.images import look_inside
from runtime.data.listing import Listing
from runtime.data.problems import UnreadableImages
from runtime.data.sources.annotations import AnnotationError, bad_annotation
from runtime.data.sources.cifar import cifar
from runtime.data.sources.coco import read_coco
from runtime.data.sources.croissant import croissant
from runtime.data.sources.croissant_fields import Wanted as Chosen
from runtime.data.sources.idx_files import mnist
from runtime.data.sources.masks import masks
from runtime.data.sources.outlines import coco_masks, labelme
from runtime.data.sources.parquet import parquet
from runtime.data.sources.records import rec, rec_labels
from runtime.data.sources.shards import Wanted, webdataset
from runtime.data.sources.table_boxes import csv_boxes
from runtime.data.sources.tables import csv_classes
from runtime.data.sources.voc import read_voc
from runtime.data.sources.yolo import read_data_yaml, read_yolo
from runtime.data.targets import CLASS
from runtime.models.exported import exported_row
from runtime.models.graph_blocks import build
from runtime.models.run_weights import settled
from runtime.models.weights_sources import source_for
from runtime.plan.size import Size
from runtime.reporting.console import SafeConsole
from runtime.reporting.run_list import read_results, show_runs
from runtime.runs.checkpoints import Checkpoints, digest_of, newest
from runtime.runs.lineage import load_recipe
from runtime.runs.lock.file import lock_text, read_lock
from runtime.runs.manifest import RunManifest, read_manifest
from runtime.runs.pack.file import MEMBERS
from runtime.runs.pack.pack import unpack
from runtime.runs.recipe_files import read_recipe
from runtime.training.state import Best, Snapshot, TrainState
from runtime.vocabulary import VOCABULARY
from runtime.weights.params_file import read_params, write_params
from runtime.weights.safetensors_file import read_safetensors, write_safetensors
from runtime.weights.torch_file import read_torch_file
from runtime.workflows.weights import inspect


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file.

    `seeds` makes sound ones in a folder; `read` gets one, and a folder that it may write to; `damage` is for kinds
    with a structure of their own, beside the damage to bytes.
    """

    seeds: Callable[[Path], list[bytes]]
    read: Callable[[Path, Path], object]
    damage: Callable[[bytes, random.Random], bytes] | None = None


# --- damage -----------------------------------------------------------------------------------

_NUMBERS = (0, 1, 2, 0x7F, 0xFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1)


def damaged(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Return bytes with one to four changes: bits, lengths that lie, pieces lost, doubled, or of another file."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(7):
            case 0:
                if changed:
                    changed[at - 1] ^= 1 << rng.randrange(8)
            case 1:
                changed[at : at + 1] = bytes([rng.randrange(256)])
            case 2:
                width = rng.choice((1, 2, 4, 8))
                number = rng.choice(_NUMBERS) & ((1 << 8 * width) - 1)
                changed[at : at + width] = number.to_bytes(width, "little")
            case 3:
                del changed[at:]
            case 4:
                del changed[at : at + rng.randint(1, 64)]
            case 5:
                changed[at:at] = changed[at : at + rng.randint(1, 64)] * rng.randint(1, 9)
            case _:
                other = rng.choice(others)
                start = rng.randrange(len(other) + 1)
                changed[at : at + rng.randrange(64)] = other[start : start + rng.randint(1, 200)]
    return bytes(changed)


_STRANGE = (
    *("../evil", "/tmp/evil", "a/b", "..", ".", "", "C:\\evil", "evil\0.params", "model.params\0x", "RECIPE.FTR"),
    *("model.pkl", "é", "x" * 300, "model.params ", "recipe.ftr/", "__MACOSX/recipe.ftr"),
)


def strange_zip(data: bytes, rng: random.Random) -> bytes:
    """Return the content of an archive written again as its maker would not: other names, twice, links, compressed."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    how = rng.randrange(7)
    if how == 0:
        members.insert(rng.randrange(len(members) + 1), (rng.choice(_STRANGE), b"evil"))
    elif how == 1:
        members.append(rng.choice(members))
    elif how == 2:
        members.pop(rng.randrange(len(members)))
    elif how == 3:
        at = rng.randrange(len(members))
        members[at] = (members[at][0], rng.choice((b"", b"\x80\x04K\x01.", b"\xff\xfe", b"[" * 5000, b"{}", b"nan")))
    out = io.BytesIO()
    packing = zipfile.ZIP_DEFLATED if how == 4 else zipfile.ZIP_STORED
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", packing) as archive:
        warnings.simplefilter("ignore")  # of names that stand twice
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = archive.compression
            info.external_attr = (stat.S_IFLNK | 0o777 if how == 5 else 0o644) << 16
            archive.writestr(info, content)
        if how == 6:
            archive.comment = b"comment"
    return out.getvalue()


def strange_json(data: bytes, rng: random.Random) -> bytes:
    """Return JSON with one of its values changed into one of another kind, or a key gone."""
    value = json.loads(data)
    places: list[tuple[Any, Any]] = []
    todo = [value]
    for each in todo:
        entries = each.items() if isinstance(each, dict) else enumerate(each) if isinstance(each, list) else ()
        for key, inner in entries:
            places.append((each, key))
            todo.append(inner)
    holder, key = rng.choice(places)
    if rng.random() < 0.2:
        del holder[key]
    else:
        others = (None, True, -1, 1e308, float("nan"), float("inf"), "", "\x1b[31m\x9b5m\u202e", "../../x", [], {})
        holder[key] = rng.choice((*others, [[]] * 3, {"place": 3}, "x" * 10_000, 10**400))
    return json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")


# --- the kinds --------------------------------------------------------------------------------


def _packs(folder: Path) -> list[bytes]:
    run = make_run(folder / "run")
    return [pack_run(run, folder / f"{weights}.ftrpack", weights=weights)[0].read_bytes() for weights in (True, False)]


def _read_pack(path: Path, target: Path) -> object:
    pack = path.rename(path.with_suffix(".ftrpack"))
    check(parse(read_recipe(pack)), VOCABULARY)
    return unpack(pack, target / "run")


def _params(folder: Path) -> list[bytes]:
    rng = np.random.default_rng(0)
    kinds = {"f": np.float32, "d": np.float64, "h": np.float16, "b": np.uint8, "i": np.int32, "l": np.int64}
    write_params(folder / "a.params", {n: rng.integers(0, 9, (2, 3)).astype(k) for n, k in kinds.items()})
    write_params(folder / "b.params", {f"arg:layer{n}_weight": np.ones((4, 1, 3), "f4") for n in range(9)})
    return [(folder / name).read_bytes() for name in ("a.params", "b.params")]


def _safetensors(folder: Path) -> list[bytes]:
    rng = np.random.default_rng(0)
    kinds = {"a": np.float32, "b": np.float16, "c": np.int64, "d": np.bool_}
    arrays = {name: rng.integers(0, 9, (2, 3)).astype(kind) for name, kind in kinds.items()}
    write_safetensors(folder / "a.safetensors", arrays, {"format": "pt"})
    write_safetensors(folder / "b.safetensors", {f"module.layer{n}.weight": np.ones((4, 1, 3), "f4") for n in range(9)})
    tokens = {"pos_embed": np.ones((1, 5, 4), "f4"), "cls_token": np.ones((1, 1, 4), "f4")}
    write_safetensors(folder / "c.safetensors", tokens)  # of a transformer, which is fitted to the size of images
    return [(folder / name).read_bytes() for name in ("a.safetensors", "b.safetensors", "c.safetensors")]


def _inspected(read: Callable[[Path], object]) -> Callable[[Path, Path], object]:
    """Return what reads a file of weights, and says of it what `ftr weights inspect` does."""

    def reads(path: Path, _: Path) -> object:
        return read(path), inspect(path)

    return reads


def _strange_header(data: bytes, rng: random.Random) -> bytes:
    """Return a file whose header, of the length that it says, has a strange value or shapes of as many numbers."""
    length = int.from_bytes(data[:8], "little")
    header = strange_json(data[8 : 8 + length], rng)
    if rng.random() < 0.5:
        arrays = json.loads(data[8 : 8 + length])
        for entry in arrays.values():
            shape = entry.get("shape", [])
            rng.shuffle(shape)
            if rng.random() < 0.5:
                entry["shape"] = rng.choice(([math.prod(shape)], [*shape, 1], [1] * 8, [1, *shape], shape[1:]))
        header = json.dumps(arrays).encode()
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


def _index(_: Path) -> list[bytes]:
    names = {"a": "model-1.safetensors", "b": "model-2.safetensors"}
    return [json.dumps({"metadata": {"total_size": 24}, "weight_map": names}).encode()]


def _read_index(path: Path, target: Path) -> object:
    for name, number in (("a", 1), ("b", 2)):
        write_safetensors(target / f"model-{number}.safetensors", {name: np.ones(3, "f4")})
    return read_safetensors(path.replace(target / "model.safetensors.index.json"))


def _symbol(_: Path) -> list[bytes]:
    def node(op: str, name: str, *inputs: int, **attrs: str) -> dict[str, Any]:
        return {"op": op, "name": name, "attrs": attrs, "inputs": [[each, 0, 0] for each in inputs]}

    nodes = [node("null", name) for name in ("data", "w", "b")]
    nodes += [node("Convolution", "conv", 0, 1, 2, kernel="(3, 3)", num_filter="4", stride="(2, 2)")]
    nodes += [node("Activation", "relu", 3, act_type="relu"), node("elemwise_add", "sum", 3, 4)]
    nodes += [node("Pooling", "pool", 5, global_pool="True", pool_type="avg", kernel="(1, 1)")]
    return [json.dumps({"nodes": nodes, "arg_nodes": [0, 1, 2], "heads": [[6, 0, 0]]}).encode()]


def _read_symbol(path: Path, _: Path) -> object:
    statistics = {"mean": (0.5,) * 3, "std": (0.5,) * 3}
    return build(exported_row({"file": path, "cut": "pool", **statistics}), Size.square(32))


def _planned_on(base: str, target: Path) -> object:
    """Check a recipe with a base, and find out what its plan and its lock say of it."""
    text = RECIPE.replace('gluoncv("cifar_resnet20_v1", weights = none)', base)
    recipe = check(load_recipe(Source(str(target / "r.ftr"), text)), VOCABULARY)
    planned, _ = settled(component(recipe.fields["base"]), "classes.json", ("a", "b"))
    source = source_for(planned)
    source.check(planned)
    return source.normalization(planned), source.facts(planned)


def _as_base(name: str) -> Callable[[Path, Path], object]:
    """Return what plans on a run in which one file is somebody else's, whose head is kept."""

    def read(path: Path, target: Path) -> object:
        run = target / "run"
        run.mkdir()
        for each, content in _run().items():
            (run / each).write_bytes(content)
        path.replace(run / name)
        return _planned_on('run("run", head = kept)', target)

    return read


def _pack_as_base(path: Path, target: Path) -> object:
    path.replace(target / "flowers.ftrpack")
    return _planned_on('pack("flowers.ftrpack")', target)


def _torch_zip(_: Path) -> list[bytes]:
    six = struct.pack("<6f", *range(6))
    plain = zip_file(state(a=tensor((2, 3), (3, 1)), b=tensor((), (), 5)), {"0": six})
    half = state(x=tensor((2, 2), (2, 1), of=storage("BFloat16Storage", "1", 4)))
    return [plain, zip_file(b"\x80\x02}" + text("model") + half[2:-1] + b"s.", {"1": bytes(8)})]


def _torch(_: Path) -> list[bytes]:
    one = whole_file(state(a=tensor((2, 3), (3, 1)), b=tensor((3, 2), (1, 3)), c=tensor((), (), 5)), ["0"], SIX)
    half = storage("HalfStorage", "1", 4)
    stored = struct.pack("<q4e", 4, 1, 2, 3, 4)
    return [one, whole_file(state(x=tensor((2, 2), (2, 1), of=half)), ["1"], stored)]


@cache
def _run() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        return {path.name: path.read_bytes() for path in make_run(Path(folder, "run")).iterdir()}


def _run_with(name: str) -> Callable[[Path, Path], object]:
    """Return what lists and packs a run in which one file is somebody else's."""

    def read(path: Path, target: Path) -> object:
        run = target / "run"
        run.mkdir()
        for each, content in _run().items():
            (run / each).write_bytes(content)
        path.replace(run / name)
        console: Console = SafeConsole(file=io.StringIO(), width=100)
        show_runs(console, read_results(target), target)
        assert "\x1b" not in console.file.getvalue()  # type: ignore[attr-defined]
        return pack_run(run, target / "run.ftrpack")

    return read


def _read_recipe(path: Path, _: Path) -> object:
    return check(parse(read_recipe(path)), VOCABULARY)


def _damaged_recipe(data: bytes, rng: random.Random) -> bytes:
    names = [*VOCABULARY.fields, *VOCABULARY.blocks, *MEMBERS]
    return damaged_recipe(data.decode(), [RECIPE], rng, names).encode("utf-8", "replace")


_LOCK = lock_text(
    {
        ("recipe", "hash"): "0" * 64,
        ("run", "threads"): 2,
        ("data.train", "images"): 1797,
        ("data.train", 'a "b".jpg'): "f" * 64,
        ("run", "fuse"): True,
        ("result", "test.accuracy"): 0.9375,
        ("result", "weights"): "e" * 64,
    }
)

_ARRAYS = {"model/head.weight": np.ones((2, 3), "f4"), "optimizer/0/0": np.zeros((2, 3), "f4")}


def _checkpoint(folder: Path) -> list[bytes]:
    best = Best(0.5, 1, 4, {})
    state = TrainState(stage=1, epoch=1, step=5, losses=[0.5], best=best, improved_at=4, stop_value=0.5)
    sets = {"now": ("", lambda: _ARRAYS), "best": ("best-2-1.params", lambda: _ARRAYS)}
    Checkpoints(folder, "0" * 64).write(Snapshot(state.as_plain(), sets), 100, 1.5)
    return [(folder / "checkpoints/000001.json").read_bytes()]


def _strange_checkpoint(data: bytes, rng: random.Random) -> bytes:
    """Return a checkpoint with a strange value, whose digest fits all the same."""
    content = json.loads(strange_json(data, rng))
    if isinstance(content, dict):
        content.pop("digest", None)
        content["digest"] = digest_of(content)
    return json.dumps(content).encode()


def _read_checkpoint(path: Path, target: Path) -> object:
    _checkpoint(target)
    path.replace(target / "checkpoints/000001.json")
    return newest(target)


def _began(folder: Path) -> list[bytes]:
    RunManifest("/home/me/r.ftr", ("lr=1",), None, False, "cpu", 2, True, True, 2, ([],)).write(folder)
    return [(folder / "run.json").read_bytes()]


def _read_began(path: Path, target: Path) -> object:
    path.replace(target / "run.json")
    return read_manifest(target)


def _voc(_: Path) -> list[bytes]:
    thing = "<object><name>a</name><difficult>1</difficult><bndbox>{}</bndbox></object>"
    sides = "".join(f"<{side}>{place}</{side}>" for place, side in enumerate(("xmin", "ymin", "xmax", "ymax"), 3))
    size = "<size><width>64</width><height>48</height><depth>3</depth></size>"
    told = f"<path>{'/home/me/photos' * 40}</path>"
    one = f"<annotation>\n\t<filename>1.jpg</filename>{told}\n{size}\n{thing.format(sides) * 3}</annotation>\n"
    return [one.encode(), one.replace("3<", "3.5<").encode("utf-16"), b"<annotation/>"]


def _coco(_: Path) -> list[bytes]:
    rows = [{"id": n, "image_id": 7, "category_id": 3, "bbox": [n, 1, 9.5, 4], "iscrowd": n % 2} for n in range(3)]
    images = [{"id": 7, "file_name": "in/1.jpg", "width": 64, "height": 48}, {"id": 90, "file_name": "2.jpg"}]
    plain = {"images": images, "annotations": rows, "categories": [{"id": 3, "name": "a"}, {"id": 5, "name": "b"}]}
    return [json.dumps(plain).encode(), json.dumps(plain, indent=1).encode()]


_YOLO = [b"0 0.5 0.5 0.2 0.4\n1 0.1 0.1 0.3 0.1 0.3 0.5\n", b"1 .5 .5 1 1"]
_DATA_YAML = [
    b"path: ..\ntrain: images/train # here\nval:\n  - a\n  - b\nnc: 2\nnames:\n  0: cat\n  1: 'big dog'\n",
    b"names: [a, \"b\",\n 'c']\ntrain: ../train/images\n",
]
_BOXES = [
    b"file,kind,x0,y0,x1,y1,note\na.jpg,cat,1,2,3.5,4,%s\nb.jpg,,,,,,\n" % (b"a cat on a mat " * 40),
    b"file;kind;x0;y0;x1;y1\na.jpg;cat;1;2;3;4\n",
]


def _rec(_: Path) -> list[bytes]:
    label = struct.pack("<12f", 2, 5, 0, 0.1, 0.1, 0.5, 0.6, 1, 0, 0, 1, 1)
    one = struct.pack("<IfQQ", 12, 0, 7, 0) + label + b"\xff\xd8\xff" + bytes(range(90))
    parts = [(0, one), (1, one[:-20]), (3, one[-20:])]  # the second has the magic number within its image
    return [
        b"".join(
            struct.pack("<II", 0xCED7230A, kind << 29 | len(part)) + part + bytes(-len(part) % 4)
            for kind, part in parts
        )
    ]


def _as_png(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


_PIXEL = _as_png(Image.new("RGB", (4, 3), (200, 30, 90)))


def _labelled_rec(_: Path) -> list[bytes]:
    records = [struct.pack("<IfQQ", 0, number % 2, number, 0) + _PIXEL for number in range(3)]
    return [b"".join(struct.pack("<II", 0xCED7230A, len(each)) + each + bytes(-len(each) % 4) for each in records)]


def _archive(mode: str, members: Mapping[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode, format=form) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return content.getvalue()


def _shards(_: Path) -> list[bytes]:
    members = {
        f"{'é' * 70 * number}{number}.{ending}": data
        for number in range(2)
        for ending, data in (("png", _PIXEL), ("json", b'{"label": "cat %d"}' % number))
    }
    return [_archive("w", members, form) for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT)]


def _opened(listing: Listing) -> object:
    """Open the images; of one that cannot be read it is said, as of any that is broken."""
    return [look_inside(each.image) for each in listing.samples]


def _pickles(_: Path) -> list[bytes]:
    pixels = np.arange(2 * 3072).reshape(2, 3072).astype(np.uint8)
    names = {"label_names": list("abcde")}
    return [python2({"labels": [3, 1], "data": pixels, "filenames": ["a", "b"]}), python2(names)]


def _read_cifar(path: Path, target: Path) -> object:
    batch, names = _pickles(target)
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        (target / name).write_bytes(batch)
    (target / "batches.meta").write_bytes(names)
    path.replace(target / ("batches.meta" if b"label_names" in path.read_bytes() else "data_batch_2"))
    return _opened(cifar(target, "train"))


def _cifar_archives(_: Path) -> list[bytes]:
    records = b"".join(bytes([number]) * 3073 for number in range(2))
    names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    members = {f"set/{name}": records for name in names} | {"set/batches.meta.txt": b"cat\ndog\n"}
    return [_archive(mode, members) for mode in ("w", "w:gz")]


def _read_cifar_archive(path: Path, target: Path) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FTR_CACHE", str(target / "cache"))
        return _opened(cifar(path, "train"))


def _idx(_: Path) -> list[bytes]:
    plain = b"\0\0\x08\x03" + struct.pack(">3I", 2, 3, 4) + bytes(range(24))
    return [plain, gzip.compress(plain)]


def _read_idx(path: Path, target: Path) -> object:
    packed = ".gz" if path.read_bytes().startswith(b"\x1f\x8b") else ""
    path.replace(target / f"train-images-idx3-ubyte{packed}")
    (target / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + struct.pack(">I", 2) + b"\0\1")
    return _opened(mnist(target, "train"))


def _parquets(folder: Path) -> list[bytes]:
    import pyarrow
    from pyarrow import parquet as files

    found = []
    for packing in ("snappy", "none"):
        images = [{"bytes": _PIXEL, "path": "1.png"}, {"bytes": _PIXEL, "path": None}]
        table = pyarrow.table({"image": images, "label": [0, 1]})
        features = {"label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}
        about = {"huggingface": json.dumps({"info": {"features": features}})}
        files.write_table(table.replace_schema_metadata(about), folder / packing, compression=packing)
        found.append((folder / packing).read_bytes())
    return found


def _read_parquet(path: Path, target: Path) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FTR_CACHE", str(target / "cache"))
        return _opened(parquet(path, "image", "label", None))


def _read_described(path: Path, target: Path) -> object:
    place = path.replace(of_folders(target / "set"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FTR_CACHE", str(target / "cache"))
        return _opened(croissant(place, Chosen(split="train")))


def _archives(folder: Path) -> list[bytes]:
    as_kaggle(folder / "set")
    members = {"train.csv": b"image_id,breed\n1,cat\n2,dog\n", "images/1.png": _PIXEL, "images/2.png": _PIXEL}
    return [(folder / "set" / "archive.zip").read_bytes(), *(_archive(mode, members) for mode in ("w", "w:gz"))]


def _strange_archive(data: bytes, rng: random.Random) -> bytes:
    return strange_zip(data, rng) if data.startswith(b"PK") else damaged(data, [data], rng)


def _read_archive(path: Path, target: Path) -> object:
    about = as_kaggle(target / "set")
    path.replace(target / "set" / "archive.zip")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FTR_CACHE", str(target / "cache"))
        return _opened(croissant(about, Chosen(image="image_id", label="breed")))


_JSON_LINES = [b'{"file_name": "a.jpg", "label": "cat"}\n\n{"file_name": "b.jpg", "label": 3.5, "x": [1, {}]}\n']


def _read_json_lines(path: Path, target: Path) -> object:
    for name in "ab":
        (target / f"{name}.jpg").touch()
    return csv_classes(path.replace(target / "table.jsonl"), "file_name", "label", target)


def _refused(read: Callable[[Path], object]) -> Callable[[Path, Path], object]:
    """Return what reads an annotation; what is wrong with it becomes a `RecipeError`, as a source makes it one."""

    def reads(path: Path, _: Path) -> object:
        try:
            return read(path)
        except AnnotationError as fault:
            raise bad_annotation(path, fault) from fault

    return reads


def _read_boxes(path: Path, target: Path) -> object:
    for name in "ab":
        (target / f"{name}.jpg").touch()
    return csv_boxes(path, "file", "kind", ("x0", "y0", "x1", "y1"), target, None)


_OUTLINES = [
    json.dumps(
        {
            "images": [{"id": 7, "file_name": "a.png", "height": 10, "width": 12}],
            "annotations": [
                {"id": 1, "image_id": 7, "category_id": 3, "segmentation": [[2, 2, 8, 2, 8, 8, 2, 8]]},
                {"id": 2, "image_id": 7, "category_id": 3, "segmentation": {"size": [10, 12], "counts": "^3:"}},
                {"id": 3, "image_id": 7, "category_id": 3, "segmentation": {"size": [10, 12], "counts": [110, 10]}},
            ],
            "categories": [{"id": 3, "name": "cat"}],
        }
    ).encode()
]
_LABELME = [
    json.dumps(
        {
            "imagePath": "a.png",
            "imageHeight": 10,
            "imageWidth": 12,
            "shapes": [
                {"label": "road", "shape_type": "polygon", "points": [[2, 2], [8, 2], [8.5, 8]]},
                {"label": "lamp", "shape_type": "circle", "points": [[2, 2], [8, 2]]},
                {"label": "sign", "shape_type": "rectangle", "points": [[2, 2], [8, 9]]},
            ],
        }
    ).encode()
]


def _read_outlines(path: Path, target: Path) -> object:
    Image.new("L", (12, 10)).save(target / "a.png")
    return [each.target.stored() for each in coco_masks(target, path, None).samples]


def _read_labelme(path: Path, target: Path) -> object:
    folder = target / "labelme"
    folder.mkdir(exist_ok=True)
    Image.new("L", (12, 10)).save(folder / "a.png")
    (folder / "a.json").write_bytes(path.read_bytes())
    return [each.target.stored() for each in labelme(folder, None).samples]


def _masks(_: Path) -> list[bytes]:
    classes = (np.arange(120).reshape(10, 12) // 20 % 3).astype(np.uint8)
    indexed = Image.fromarray(classes, "P")
    indexed.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    found = [
        Image.fromarray(classes),
        indexed,
        Image.fromarray(classes.astype(np.uint16)),
        Image.fromarray(classes > 1),
    ]
    return [_as_png(each) for each in found]


def _strange_png(data: bytes, rng: random.Random) -> bytes:
    """Return a PNG with a changed part, whose checksum fits all the same: other sides, modes, pixels, palettes."""
    parts, at = [], 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        parts.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    place = rng.randrange(len(parts))
    name, content = parts[place]
    match rng.randrange(4):
        case 0:
            parts.pop(place)
        case 1:
            parts.insert(place, parts[rng.randrange(len(parts))])
        case _:
            parts[place] = name, damaged(content, [content, b"\0" * 64], rng)
    written = (
        len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")
        for name, content in parts
    )
    return data[:8] + b"".join(written)


def _read_mask(path: Path, target: Path) -> object:
    (target / "images").mkdir()
    (target / "masks").mkdir()
    image = target / "images" / "a.png"
    Image.new("L", (12, 10)).save(image)
    path.replace(target / "masks" / "a.png")
    (sample,) = masks(image.parent, target / "masks", ("a", "b", "c"), None, None, 255, None).samples
    if fault := sample.target.fault(image):
        raise RecipeError(UnreadableImages(images=((sample.id, fault),)))
    return sample.target.stored()


FORMATS: Mapping[str, Format] = {
    "pack": Format(_packs, _read_pack, strange_zip),
    "params": Format(_params, _inspected(read_params)),
    "torch": Format(_torch, _inspected(read_torch_file)),
    "torch zip": Format(_torch_zip, _inspected(read_torch_file), strange_zip),
    "safetensors": Format(_safetensors, _inspected(read_safetensors), _strange_header),
    "symbol": Format(_symbol, _read_symbol, strange_json),
    "run as a base": Format(lambda _: [_run()["resolved.ftr"]], _as_base("resolved.ftr"), _damaged_recipe),
    "plan of a base": Format(lambda _: [_run()["plan.json"]], _as_base("plan.json"), strange_json),
    "pack as a base": Format(_packs, _pack_as_base, strange_zip),
    "safetensors index": Format(_index, _read_index, strange_json),
    "result.json": Format(lambda _: [_run()["result.json"]], _run_with("result.json"), strange_json),
    "plan.json": Format(lambda _: [_run()["plan.json"]], _run_with("plan.json"), strange_json),
    "lock": Format(lambda _: [_LOCK.encode()], lambda path, _: read_lock(path)),
    "checkpoint": Format(_checkpoint, _read_checkpoint, _strange_checkpoint),
    "run.json": Format(_began, _read_began, strange_json),
    "exclude": Format(lambda _: [b"# blurred\nroses/1.jpg\n[valid]\n./#1.jpg\n"], lambda path, _: read_excluded(path)),
    "voc": Format(_voc, _refused(read_voc)),
    "coco": Format(_coco, _refused(lambda path: read_coco(path, path.parent)), strange_json),
    "coco masks": Format(lambda _: _OUTLINES, _read_outlines, strange_json),
    "labelme": Format(lambda _: _LABELME, _read_labelme, strange_json),
    "masks": Format(_masks, _read_mask, _strange_png),
    "yolo": Format(lambda _: _YOLO, _refused(lambda path: read_yolo(path, ("a", "b")))),
    "rec": Format(_rec, _refused(lambda path: rec(path, ("a", "b")))),
    "rec of classes": Format(_labelled_rec, lambda path, _: _opened(rec_labels(path, CLASS, None))),
    "shard": Format(_shards, lambda path, _: _opened(webdataset(path, Wanted("json"), None))),
    "cifar": Format(_pickles, _read_cifar),
    "cifar archive": Format(_cifar_archives, _read_cifar_archive),
    "idx": Format(_idx, _read_idx),
    **({"parquet": Format(_parquets, _read_parquet)} if find_spec("pyarrow") else {}),
    "croissant": Format(lambda folder: [of_folders(folder / "set").read_bytes()], _read_described, strange_json),
    "croissant archive": Format(_archives, _read_archive, _strange_archive),
    "json lines": Format(lambda _: _JSON_LINES, _read_json_lines),
    "data.yaml": Format(lambda _: _DATA_YAML, _refused(read_data_yaml)),
    "boxes": Format(lambda _: _BOXES, _read_boxes),
    "recipe": Format(lambda _: [RECIPE.encode()], _read_recipe, _damaged_recipe),
}


def one(kind: Format, seeds: list[bytes], rng: random.Random) -> bytes:
    """Return one damaged file of a kind."""
    data = rng.choice(seeds)
    if kind.damage is not None and rng.random() < 0.5:
        data = kind.damage(data, rng)
        if rng.random() < 0.8:
            return data
    return damaged(data, seeds, rng)
