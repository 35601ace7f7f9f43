"""Export the smallest base of each family to ONNX, compare onnxruntime with MXNet, and write docs/onnx.md.

    python bench/onnx_bases.py [--only PATTERN] [--all] [--rows FILE] [--write docs/onnx.md]

Each base gets random weights, a head of ten outputs, and 20 photos at its native size: cuttings of scikit-learn's two
sample photos. Each runs in a process of its own and leaves a line in `--rows`; what has a line there is not measured
again, so the bench can be stopped and started. Then 50 odd images (EXIF, grey, palette, CMYK, transparent, 16 bits,
tiny, oblong) are answered by the graph with preprocessing inside and by what `ftr predict` calls.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from runtime.models.catalog import BASES  # noqa: E402

PHOTOS, OUTPUTS, BATCH, ODD = 20, 10, 10, 50
DEFAULT_ROWS = ROOT / "runs" / "onnx-bases.jsonl"


def chosen(only: str, every: bool) -> list[tuple[str, str]]:
    """Return the (kind, name) pairs that hold `only`: of each family the first, or all."""
    firsts: dict[tuple[str, str], tuple[str, str]] = {}
    for kind, rows in BASES.items():
        for name, row in rows.items():
            family = name if every else getattr(row, "family", kind)
            firsts.setdefault((kind, family), (kind, name))
    return [pair for pair in firsts.values() if only in ":".join(pair)]


def photos(side: int) -> np.ndarray[Any, Any]:
    """Return squares cut out of two photos: uint8 (20, side, side, 3)."""
    from sklearn.datasets import load_sample_images

    whole = [Image.fromarray(each) for each in load_sample_images().images]
    rng = np.random.default_rng(0)
    cut = []
    for number in range(PHOTOS):
        photo = whole[number % 2]
        edge = int(rng.integers(100, 400))
        left, top = (int(rng.integers(0, length - edge)) for length in photo.size)
        cut.append(np.asarray(photo.resize((side, side), box=(left, top, left + edge, top + edge))))
    return np.stack(cut)


def model_of(kind: str, name: str, side: int) -> Any:
    """Return a model with random weights."""
    from random_weights import random_weights

    from runtime.backend.mx import mx, nd
    from runtime.models.heads import head_block
    from runtime.models.network import build_model
    from runtime.plan.size import Size
    from runtime.plan.types import Component

    head = [Component("dense", {"units": OUTPUTS})]
    model = build_model(Component(kind, {"name": name}), head, Size.square(side), partial(head_block, outputs={}))
    for parameter in model.parameters.values():
        parameter.initialize(init=mx.init.Zero(), force_reinit=True)
    shapes = {key: parameter.shape for key, parameter in model.parameters.items()}
    for key, values in random_weights(shapes).items():
        model.parameters[key].set_data(nd.array(values))
    return model


def measure(kind: str, name: str) -> dict[str, Any]:
    """Compare the scores of one base in both runtimes."""
    from onnx import helper

    from runtime.backend.mx import mx
    from runtime.data.sets import to_input
    from runtime.export.graph import OnnxGraph
    from runtime.export.network import translate
    from runtime.export.session import session
    from runtime.export.symbol import network
    from runtime.plan.size import Size
    from runtime.training.stage import whole_net

    side = BASES[kind][name].native
    model = model_of(kind, name, side)
    given = to_input(photos(side), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), mx.cpu())
    net = whole_net(model)
    graph = OnnxGraph()
    output, sides = translate(graph, network(model, lambda symbol: (symbol, {})), "data", Size.square(side))
    taken = helper.make_tensor_value_info(output, 1, ["batch", *sides[1:]])
    made = graph.model([helper.make_tensor_value_info("data", 1, ["batch", 3, side, side])], [taken], {}, "bench")
    answer = session(made.SerializeToString())
    batches = [given[begin : begin + BATCH] for begin in range(0, PHOTOS, BATCH)]
    expected, slow = _timed(lambda batch: net(batch).asnumpy(), batches)
    found, fast = _timed(lambda batch: answer(batch.asnumpy()), batches)
    return {
        "kind": kind,
        "name": name,
        "side": side,
        "images": PHOTOS,
        "bound": 1e-4,
        "difference": float(np.abs(found - expected).max() / np.abs(expected).max()),
        "same": int((found.argmax(axis=1) == expected.argmax(axis=1)).sum()),
        "mxnet": slow,
        "onnxruntime": fast,
    }


def _timed(answer: Any, batches: list[Any]) -> tuple[np.ndarray[Any, Any], float]:
    answer(batches[0])
    begin = time.perf_counter()
    found = [answer(batch) for batch in batches]
    return np.concatenate(found), PHOTOS / (time.perf_counter() - begin)


# --- odd images ----------------------------------------------------------------------------------


def odd_images(folder: Path) -> list[Path]:
    """Write 50 odd images, and return their paths."""
    makers = list(_odd())
    paths = []
    for number in range(ODD):
        ending, content = makers[number % len(makers)](photos(400)[number % PHOTOS])
        paths.append(folder / f"{number:02}{ending}")
        paths[-1].write_bytes(content)
    return paths


def _odd() -> Iterator[Any]:
    def saved(image: Image.Image, form: str, **options: Any) -> bytes:
        out = io.BytesIO()
        image.save(out, form, **options)
        return out.getvalue()

    def turned(pixels: Any, orientation: int) -> tuple[str, bytes]:
        exif = Image.Exif()
        exif[0x0112] = orientation
        return ".jpg", saved(Image.fromarray(pixels[:300]), "JPEG", exif=exif)

    for orientation in (3, 6, 8, 5):
        yield partial(turned, orientation=orientation)
    yield lambda pixels: (".png", saved(Image.fromarray(pixels).convert("L"), "PNG"))
    yield lambda pixels: (".gif", saved(Image.fromarray(pixels).convert("P"), "GIF"))
    yield lambda pixels: (".png", saved(Image.fromarray(pixels).quantize(17), "PNG", transparency=0))
    yield lambda pixels: (".jpg", saved(Image.fromarray(pixels).convert("CMYK"), "JPEG"))
    yield lambda pixels: (".png", saved(Image.fromarray(pixels[:5, :3]), "PNG"))
    yield lambda pixels: (".png", saved(Image.fromarray(pixels[:1, :1]), "PNG"))
    yield lambda pixels: (".webp", saved(Image.fromarray(pixels[:30]), "WEBP", lossless=True))
    yield lambda pixels: (".png", saved(Image.fromarray(pixels[:, :7]), "PNG"))
    yield lambda pixels: (".tif", saved(Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 257), "TIFF"))
    yield lambda pixels: (".png", saved(_faded(pixels), "PNG"))
    yield lambda pixels: (".png", saved(Image.fromarray(pixels).convert("1"), "PNG"))
    yield lambda pixels: (".bmp", saved(Image.fromarray(np.tile(pixels, (5, 7, 1))), "BMP"))
    yield lambda pixels: (".png", saved(Image.fromarray(pixels).convert("LA"), "PNG"))


def _faded(pixels: Any) -> Image.Image:
    image = Image.fromarray(pixels)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


def odd(kind: str = "packaged", name: str = "efficientnet_lite0") -> dict[str, Any]:
    """Answer odd images by a graph with preprocessing inside, and as `ftr predict` does; real weights."""
    from runtime.backend.mx import mx, nd
    from runtime.data.decoded import opening
    from runtime.data.images import open_rgb
    from runtime.data.sets import to_input
    from runtime.export.onnx_file import onnx_file
    from runtime.export.session import session
    from runtime.models.efficientnet_lite import load_packaged
    from runtime.plan.size import Size
    from runtime.plan.types import Component, DataPlan
    from runtime.tasks.catalog import TASKS
    from runtime.tasks.classification.targets import ClassFacts
    from runtime.training.stage import whole_net

    model = model_of(kind, name, 224)
    load_packaged(name, model.base)
    mean, std = BASES[kind][name].normalization
    steps = (Component("resize", {"size": 256}), Component("center_crop", {"size": 224}))
    facts = ClassFacts(tuple(map(str, range(OUTPUTS))), {})
    data = DataPlan({}, None, Size.square(224), 32, "full", "stop", steps, mean, std, facts)
    made = onnx_file(model, TASKS["classification"], data, {}, raw=False)
    answer = session(made.content)
    net, prepared = whole_net(model), opening(steps, None, False)
    largest, same = 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        for path in odd_images(Path(folder)):
            pixels = np.asarray(prepared(path))[None]
            expected = nd.softmax(net(to_input(pixels, mean, std, mx.cpu()))).asnumpy()[0]
            found = answer(np.asarray(open_rgb(path))[None])[0]
            largest = max(largest, float(np.abs(expected - found).max()))
            same += int(expected.argmax() == found.argmax())
    return {"odd": name, "images": ODD, "bound": 1e-3, "difference": largest, "same": same}


# --- the page ------------------------------------------------------------------------------------


def page(rows: list[dict[str, Any]]) -> str:
    """Return the results as Markdown."""
    bases = [row for row in rows if "kind" in row]
    (strange,) = [row for row in rows if "odd" in row]
    lines = [
        "# Exported to ONNX",
        "",
        "Written by `python bench/onnx_bases.py --write docs/onnx.md`: the smallest base of a family with random",
        f"weights, its scores of {PHOTOS} photos in onnxruntime and in MXNet. The difference is the largest one of a",
        f"score, over the largest score; images per second are those of batches of {BATCH}, on a machine that had",
        "other work to do as well: what counts is their ratio.",
        "",
        f"{len(bases)} of {len(chosen('', False))} families are measured so far; no operator has stopped one.",
        "",
        "| base | px | difference | same answers | images/s, onnxruntime | images/s, MXNet |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row['kind']} {row['name']} | {row['side']} | {row['difference']:.0e} | {row['same']} of {PHOTOS}"
            f" | {row['onnxruntime']:,.0f} | {row['mxnet']:,.0f} |"
            for row in bases
        ),
        "",
        "## Odd images",
        "",
        f"{strange['images']} images (turned by EXIF, grey, 1 bit, palettes, CMYK, transparent, 16 bits, tiny,",
        "oblong), decoded to RGB as ftr does, answered by the graph with preprocessing inside and by what",
        f"`ftr predict` calls; {strange['odd']} with its ImageNet weights: largest difference of a probability",
        f"{strange['difference']:.1e}, the same top answer for {strange['same']} of {strange['images']}. Decoding",
        "stays outside of the graph: whoever decodes otherwise (does not turn as EXIF says, shows what transparency",
        "hides, clips 16 bits) gives it another image.",
    ]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Measure what has no row yet; the exit code is 1 when a base differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="PATTERN", default="", help="only bases whose kind:name holds this text")
    parser.add_argument("--all", action="store_true", help="all bases, not the smallest of each family")
    parser.add_argument("--rows", metavar="FILE", type=Path, default=DEFAULT_ROWS, help="where results are kept")
    parser.add_argument("--write", metavar="FILE", type=Path, help="write the page")
    parser.add_argument("--one", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one is not None:
        print(json.dumps(measure(*options.one) if options.one else odd()))
        return 0
    options.rows.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in options.rows.read_text().splitlines()] if options.rows.exists() else []
    known = {(row.get("kind"), row.get("name")) for row in rows}
    wanted: list[tuple[str, ...]] = [*chosen(options.only, options.all), ()]
    for pair in wanted:
        if ((*pair, None, None)[:2]) in known:
            continue
        command = [sys.executable, __file__, "--one", *pair]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{' '.join(pair)}: {done.stderr.strip().splitlines()[-1]}", flush=True)
            return 1
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        with options.rows.open("a") as file:
            file.write(json.dumps(rows[-1]) + "\n")
        print(rows[-1], flush=True)
    if options.write:
        options.write.write_text(page(rows), encoding="utf-8")
    return int(any(row["difference"] > row["bound"] or row["same"] < row["images"] for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
