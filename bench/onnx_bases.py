"""Export the smallest base of each family to ONNX, compare onnxruntime with MXNet, and write docs/onnx.md.

    python bench/onnx_bases.py [--only PATTERN] [--all] [--speeds] [--rows FILE] [--write docs/onnx.md]

Each base gets random weights, a head of ten outputs, and 20 photos at its native size: cuttings of scikit-learn's two
sample photos. Each runs in a process of its own and leaves a line in `--rows`; what has a line there is not measured
again, so the bench can be stopped and started. Images per second are taken with `--speeds` alone, of bases whose lines
have none yet: on a machine that has nothing else to do. Then 50 odd images (EXIF, grey, palette, CMYK, transparent, 16
bits, tiny, oblong) are answered by the graph with preprocessing inside and by what `ftr predict` calls, with the
weights of ImageNet and their 1000 classes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import numpy as np  # noqa: E402

from runtime.models.catalog import BASES, CLASSIFIERS  # noqa: E402

PHOTOS, OUTPUTS, BATCH, ODD = 20, 10, 10, 50
DEFAULT_ROWS = ROOT / "runs" / "onnx-bases.jsonl"


def chosen(only: str, every: bool) -> list[tuple[str, str]]:
    """Return the (kind, name) pairs that hold `only`: of each family the first, or all."""
    firsts: dict[tuple[str, str], tuple[str, str]] = {}
    for kind, rows in {"packaged": BASES["packaged"], **CLASSIFIERS}.items():
        for name, row in rows.items():
            family = name if every else getattr(row, "family", kind)
            firsts.setdefault((kind, family), (kind, name))
    return [pair for pair in firsts.values() if only in ":".join(pair)]


def model_of(kind: str, name: str, side: int, outputs: int = OUTPUTS) -> Any:
    """Return a model with random weights."""
    from random_weights import random_weights

    from runtime.backend.mx import mx, nd
    from runtime.models.heads import head_block
    from runtime.models.network import build_model
    from runtime.plan.size import Size
    from runtime.plan.types import Component

    head = [Component("dense", {"units": outputs})]
    model = build_model(
        Component(kind, {"name": name, "weights": None}), head, Size.square(side), partial(head_block, outputs={})
    )
    for parameter in model.parameters.values():
        parameter.initialize(init=mx.init.Zero(), force_reinit=True)
    shapes = {key: parameter.shape for key, parameter in model.parameters.items()}
    for key, values in random_weights(shapes).items():
        model.parameters[key].set_data(nd.array(values))
    return model


def measure(kind: str, name: str, speeds: bool) -> dict[str, Any]:
    """Compare the scores of one base in both runtimes, and their speeds."""
    from odd_images import photos
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
    given = to_input(photos(PHOTOS, side), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), mx.cpu())
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
        **({"mxnet": slow, "onnxruntime": fast} if speeds else {}),
    }


def _timed(answer: Any, batches: list[Any]) -> tuple[np.ndarray[Any, Any], float]:
    answer(batches[0])
    begin = time.perf_counter()
    found = [answer(batch) for batch in batches]
    return np.concatenate(found), PHOTOS / (time.perf_counter() - begin)


# --- odd images ----------------------------------------------------------------------------------


def odd(name: str = "efficientnet_lite0") -> dict[str, Any]:
    """Answer odd images by a graph with preprocessing inside, and as `ftr predict` does; the weights of ImageNet."""
    from odd_images import odd_images

    from runtime.backend.mx import mx, nd
    from runtime.data.decoded import opening
    from runtime.data.images import open_rgb
    from runtime.data.sets import to_input
    from runtime.export.onnx_file import onnx_file
    from runtime.export.session import session
    from runtime.models.efficientnet_lite import load_packaged
    from runtime.models.packaged import packaged_file
    from runtime.plan.size import Size
    from runtime.plan.types import Component, DataPlan
    from runtime.tasks.catalog import TASKS
    from runtime.tasks.classification.targets import ClassFacts
    from runtime.training.stage import whole_net
    from runtime.weights.torch_file import read_torch_file

    model = model_of("packaged", name, 224, 1000)
    load_packaged(name, model.base)
    for leaf in ("weight", "bias"):
        (ours,) = (each for key, each in model.parameters.items() if key.startswith("head.") and key.endswith(leaf))
        ours.set_data(nd.array(read_torch_file(packaged_file(name)).arrays[f"_fc.{leaf}"]))
    mean, std = BASES["packaged"][name].normalization
    steps = (Component("resize", {"size": 256}), Component("center_crop", {"size": 224}))
    facts = ClassFacts(tuple(map(str, range(1000))), {})
    data = DataPlan({}, None, Size.square(224), 32, "full", "stop", steps, mean, std, facts)
    answer = session(onnx_file(model, TASKS["classification"], data, {}, raw=False).content)
    net, prepared = whole_net(model), opening(steps, None, False)
    largest, same = 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        for path in odd_images(Path(folder), ODD):
            pixels = np.asarray(prepared(path))[None]
            expected = nd.softmax(net(to_input(pixels, mean, std, mx.cpu()))).asnumpy()[0]
            found = answer(np.asarray(open_rgb(path))[None])[0]
            largest = max(largest, float(np.abs(expected - found).max()))
            same += int(expected.argmax() == found.argmax())
    return {"odd": name, "images": ODD, "bound": 1e-3, "difference": largest, "same": same}


# --- the page ------------------------------------------------------------------------------------


_WRITTEN = """
## What is written, and when it is refused

`ftr export RUN --format onnx` answers up to 200 images of the run's test set (of its validation set where it has
none) in onnxruntime and as `ftr predict` does. The largest difference, the share of equal answers and images per
second on both sides stand in the JSON beside the file, in the run's lock and in its card.

| task | output | the same answer |
|---|---|---|
| classification | `probabilities` (batch, classes) | the same top class |
| regression | `values` (batch, targets), in the units of the data | standard deviations within the tolerance |
| segmentation | `classes`, uint8 (batch, height, width), at the network's size | all pixels but that fraction |
| detection | `objects` (batch, 100, 6): class, score, x0, y0, x1, y1 in pixels of the image, -1 beyond the last | each object: its score, its corners by the longer side |

Boxes are decoded, overlapping ones left out (NMS), and each class's threshold applied, all inside the graph.

| `--precision` | size | refused |
|---|---|---|
| `float32` | whole | an answer differs by more than 1e-3 (`--raw`) or 1e-2 (images prepared inside; of objects, fewer than 95% of the images have the same) |
| `float16` | half | fewer than 98% of the validation images keep their answers |
| `int8` | a quarter | the same; 100 training images calibrate it, and numbers may differ by 0.1 |

Of fewer bits, preprocessing and what makes answers of the last layer stay in 32. Which pays depends on the processor:
the command times both graphs, and says where fewer bits save space alone. Processors without arithmetic of 16 bits
convert `float16` back in each layer, which is slower; those with products of eight bits (AVX-512 VNNI) may gain by
`int8`. Depthwise convolutions gain least by it and lose most: of the digits of `recipes/digits.ftr`, on EfficientNet-Lite,
95.5% of the validation images keep their answers in int8, so that it is refused, and all in float16."""  # noqa: E501


def page(rows: list[dict[str, Any]]) -> str:
    """Return the results as Markdown."""
    bases = [row for row in rows if "kind" in row]
    (strange,) = [row for row in rows if "odd" in row]
    timed = any("mxnet" in row for row in bases)
    columns = ["base", "px", "difference", "same answers"] + ["images/s, onnxruntime", "images/s, MXNet"] * timed
    lines = [
        "# Exported to ONNX",
        "",
        "Written by `python bench/onnx_bases.py --write docs/onnx.md`: the smallest base of a family with random",
        f"weights, its scores of {PHOTOS} photos in onnxruntime and in MXNet. The difference is the largest one of a",
        f"score, over the largest score{f'; images per second are those of batches of {BATCH}' * timed}.",
        "",
        f"{len(bases)} of {len(chosen('', False))} families are measured; no operator has stopped one.",
        "",
        f"| {' | '.join(columns)} |",
        "|---" * len(columns) + "|",
        *(
            f"| {row['kind']} {row['name']} | {row['side']} | {row['difference']:.0e} | {row['same']} of {PHOTOS} |"
            + (f" {row['onnxruntime']:,.0f} | {row['mxnet']:,.0f} |" if "mxnet" in row else " | |" * timed)
            for row in bases
        ),
        "",
        "## Odd images",
        "",
        f"{strange['images']} images (turned by EXIF, grey, 1 bit, palettes, CMYK, transparent, 16 bits, tiny,",
        "oblong), decoded to RGB as ftr does, answered by the graph with preprocessing inside and by what",
        f"`ftr predict` calls; {strange['odd']} with its weights and classes of ImageNet: largest difference of a",
        f"probability {strange['difference']:.1e}, the same top answer for {strange['same']} of {strange['images']}.",
        "",
        "Resizing inside is onnxruntime's, which places its filter in 32 bits, and Pillow in 64: about one pixel in",
        "200 differs by one level. For a steep classifier of small images that is up to 2e-3 of a probability, so that",
        "`ftr export` lets a graph with preprocessing inside differ by 1e-2, and one without (`--raw`) by 1e-3.",
        "Decoding stays outside of the graph: whoever decodes otherwise (does not turn as EXIF says, shows what",
        "transparency hides, clips 16 bits) gives it another image.",
        _WRITTEN,
    ]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Measure what has no row yet; the exit code is 1 when a base differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="PATTERN", default="", help="only bases whose kind:name holds this text")
    parser.add_argument("--all", action="store_true", help="all bases, not the smallest of each family")
    parser.add_argument("--speeds", action="store_true", help="images per second as well: on an idle machine")
    parser.add_argument("--rows", metavar="FILE", type=Path, default=DEFAULT_ROWS, help="where results are kept")
    parser.add_argument("--write", metavar="FILE", type=Path, help="write the page")
    parser.add_argument("--one", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one is not None:
        print(json.dumps(measure(*options.one, options.speeds) if options.one else odd()))
        return 0
    options.rows.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in options.rows.read_text().splitlines()] if options.rows.exists() else []
    known = {(row.get("kind"), row.get("name")) for row in rows if "mxnet" in row or "odd" in row or not options.speeds}
    wanted: list[tuple[str, ...]] = [*chosen(options.only, options.all), ()]
    for pair in wanted:
        if ((*pair, None, None)[:2]) in known:
            continue
        command = [sys.executable, __file__, *["--speeds"] * options.speeds, "--one", *pair]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{' '.join(pair)}: {done.stderr.strip().splitlines()[-1]}", flush=True)
            return 1
        rows = [row for row in rows if not pair or (row.get("kind"), row.get("name")) != pair]
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        options.rows.write_text("".join(json.dumps(row) + "\n" for row in rows))
        print(rows[-1], flush=True)
    if options.write:
        options.write.write_text(page(rows), encoding="utf-8")
    return int(any(row["difference"] > row["bound"] or row["same"] < row["images"] for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
