"""What GluonCV's own detectors and segmenters cost: `python bench/gluoncv_models.py --write docs/gluoncv-models.md`.

In go names of the zoo; each is built with random weights in a process of its own and takes three steps of plain Gluon
on one image with one object, or one mask, with its own targets and losses; out comes a table of seconds of the
processor for an image of the last two steps, the least, and the peak memory. One thread. No network takes longer than
LIMIT seconds. Rows are appended to WORK; what is there is not measured again.

With `--runs`, each one in WORK that is a base of ftr is trained by it as well, four steps on small images: killed on
the way, resumed, and verified.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from runtime.models.catalog import OWN  # noqa: E402

NETWORKS = {
    "yolo3_mobilenet0.25_voc": 416,
    "yolo3_mobilenet1.0_voc": 416,
    "yolo3_darknet53_voc": 416,
    "ssd_300_vgg16_atrous_voc": 300,
    "ssd_512_mobilenet1.0_voc": 512,
    "ssd_512_resnet50_v1_voc": 512,
    "center_net_resnet18_v1b_voc": 512,
    "fastscnn_citys": 224,
    "fcn_resnet50_voc": 224,
    "psp_resnet50_ade": 224,
    "deeplab_resnet50_ade": 224,
}
"""Names, and the side of the square image."""

FEASIBLE = 1.0  # seconds of the processor for an image: an epoch of 200 images in under four minutes


def step_of(name: str, side: int) -> Any:
    """Return a function that takes one step of a network, and the number of its parameters in millions."""
    import numpy as np

    from runtime.backend.mx import autograd, gluon, gluoncv, mx

    family = name.split("_")[0]
    zoo = gluoncv().model_zoo
    sized = {"crop_size": side, "aux": False} if family in SEGMENTERS else {}
    net = zoo.get_model(name, pretrained=False, pretrained_base=False, **sized)
    with_init = {"init": mx.init.Xavier()} if family not in ("ssd",) else {}
    net.initialize(**with_init, force_reinit=True)
    image = mx.nd.array(np.random.default_rng(0).integers(0, 255, (side, side, 3)), dtype="uint8")
    box = np.array([[side * 0.2, side * 0.3, side * 0.7, side * 0.8, 1.0]], np.float32)
    step_loss = (_segmenter if family in SEGMENTERS else DETECTORS[family])(net, image, box, side)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1e-4})

    def step() -> float:
        with autograd.record():
            loss = step_loss()
        loss.backward()
        trainer.step(1)
        return float(loss.sum().asscalar())

    return net, step


SEGMENTERS = ("fcn", "psp", "deeplab", "fastscnn")


def _segmenter(net: Any, image: Any, box: Any, side: int) -> Any:
    from runtime.backend.mx import gluoncv, mx

    loss = gluoncv().loss.MixSoftmaxCrossEntropyLoss(aux=False)
    pixels = mx.nd.image.to_tensor(image).expand_dims(0)
    mask = mx.nd.zeros((1, side, side))
    mask[0, int(box[0, 1]) : int(box[0, 3]), int(box[0, 0]) : int(box[0, 2])] = 1
    net.hybridize()
    return lambda: sum(loss(*net(pixels), mask))


def _yolo(net: Any, image: Any, box: Any, side: int) -> Any:
    from runtime.backend.mx import gluoncv

    transform = gluoncv().data.transforms.presets.yolo.YOLO3DefaultTrainTransform(side, side, net)
    pixels, *targets, boxes = transform(image, box)
    net.hybridize()
    given = [each.expand_dims(0) for each in (pixels, boxes, *targets)]
    return lambda: sum(net(*given))


def _ssd(net: Any, image: Any, box: Any, side: int) -> Any:
    from runtime.backend.mx import autograd, gluoncv, mx

    with autograd.train_mode():
        _, _, anchors = net(mx.nd.zeros((1, 3, side, side)))
    transform = gluoncv().data.transforms.presets.ssd.SSDDefaultTrainTransform(side, side, anchors)
    pixels, classes, boxes = transform(image, box)
    loss = gluoncv().loss.SSDMultiBoxLoss()
    net.hybridize()

    def measured() -> Any:
        scores, found, _ = net(pixels.expand_dims(0))
        sums, *_ = loss([scores], [found], [classes.expand_dims(0)], [boxes.expand_dims(0)])
        return sums[0]

    return measured


def _center(net: Any, image: Any, box: Any, side: int) -> Any:
    from runtime.backend.mx import gluoncv

    presets, losses = gluoncv().data.transforms.presets, gluoncv().loss
    transform = presets.center_net.CenterNetDefaultTrainTransform(side, side, len(net.classes), net.scale)
    pixels, *targets = transform(image, box)[:6]
    heat, wide, wide_mask, offset, offset_mask = (each.expand_dims(0) for each in targets)
    focal, near = losses.HeatmapFocalLoss(from_logits=True), losses.MaskedL1Loss()
    net.hybridize()

    def measured() -> Any:
        scores, sizes, places = net(pixels.expand_dims(0))
        return focal(scores, heat) + 0.1 * near(sizes, wide, wide_mask) + near(places, offset, offset_mask)

    return measured


DETECTORS = {"yolo3": _yolo, "ssd": _ssd, "center": _center}


def one(name: str) -> dict[str, Any]:
    """Measure one network in this process."""
    net, step = step_of(name, NETWORKS[name])
    times, losses = [], []
    for _ in range(3):
        begin = time.process_time()
        losses.append(step())
        times.append(time.process_time() - begin)
    sizes = [parameter.data().size for parameter in net.collect_params().values()]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"seconds": min(times[1:]), "losses": losses, "millions": sum(sizes) / 1e6, "memory": memory}


def run_of(name: str) -> str:
    """Return what becomes of a run of a network that is killed on the way and resumed: what `ftr verify` says."""
    import killing
    from own_networks import write_recipe

    os.environ["OMP_NUM_THREADS"] = "1"  # before MXNet is loaded, in all processes
    with tempfile.TemporaryDirectory() as place:
        recipe, folder = Path(place, "own.ftr"), Path(place, "run")
        write_recipe(name, recipe)
        if killing.start(recipe, folder, interval="1 step", kill_at=40) != -signal.SIGKILL:
            return "not killed"
        if killing.start(recipe, folder, interval="1 step"):
            return "not resumed"
        command = [sys.executable, "-m", "runtime", "verify", str(folder), "--quiet"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        return done.stdout.partition(":")[0].strip() or done.stderr.strip()[-120:]


def page(rows: list[dict[str, Any]]) -> str:
    """Return the table."""
    lines = [
        "# GluonCV's own detectors and segmenters",
        "",
        "Written by `python bench/gluoncv_models.py --write docs/gluoncv-models.md`: each network with random weights",
        "takes three steps in plain Gluon on one image, with its own targets and losses; seconds of one processor for",
        "an image and step. One that takes more than a second for an image is not feasible on a few cores: 200 images",
        "in 10 epochs are more than half an hour. Faster R-CNN is not among them: tried by hand, a step took 12.6",
        "seconds for an image.",
        "",
        "The last column tells whether it is a base of ftr, with its own head, and what `ftr verify` says of a run",
        "that was killed on the way and resumed.",
        "",
        "| network | side (px) | parameters (M) | seconds of a step | memory (MB) | feasible | base |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        name, side = row["name"], NETWORKS[row["name"]]
        if row.get("problem"):
            lines.append(f"| {name} | {side} | - | - | - | {row['problem']} | {_base(row)} |")
        else:
            feasible = "yes" if row["seconds"] <= FEASIBLE else "no: too slow"
            figures = f"{row['millions']:.1f} | {row['seconds']:.2f} | {row['memory']:,}"
            lines.append(f"| {name} | {side} | {figures} | {feasible} | {_base(row)} |")
    lines += ["", *NO_BASES, "", "Bases of ftr, all of them: " + ", ".join(f"`{name}`" for name in OWN) + "."]
    return "\n".join(lines) + "\n"


NO_BASES = (
    "No bases: SSD over VGG, Faster and Mask R-CNN, too slow; SSD at 300 pixels over other networks, CenterNet with",
    "deformable convolutions, DLA or MobileNet, ICNet, DANet, DeepLabV3+, and HRNet's segmenters, not tried; those",
    "with 8-bit weights, which cannot be trained.",
)


def _base(row: dict[str, Any]) -> str:
    return f"yes: {row['run']}" if row.get("run") else "yes" if row["name"] in OWN else "no"


def main() -> None:
    """Measure what WORK lacks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--limit", type=int, default=120)
    parser.add_argument("--work", type=Path, default=Path("gluoncv_models.jsonl"))
    parser.add_argument("--write", type=Path)
    parser.add_argument("--runs", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one)))
        return
    rows = [json.loads(each) for each in given.work.read_text().splitlines()] if given.work.exists() else []
    for name in NETWORKS:
        if given.only in name and name not in {row["name"] for row in rows}:
            rows.append({"name": name, **_in_own_process(name, given.limit)})
            with given.work.open("a", encoding="utf-8") as file:
                file.write(json.dumps(rows[-1]) + "\n")
            print(rows[-1], flush=True)
    for row in rows if given.runs else ():
        if given.only in row["name"] and row["name"] in OWN and not row.get("run"):
            row["run"] = run_of(row["name"])
            given.work.write_text("".join(f"{json.dumps(each)}\n" for each in rows), encoding="utf-8")
            print(row, flush=True)
    if given.write:
        given.write.write_text(page(rows), encoding="utf-8")


def _in_own_process(name: str, limit: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--one", name]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit, env=environment)
    except subprocess.TimeoutExpired:
        return {"problem": f"no: three steps are not over in {limit} s"}
    if done.returncode:
        return {"problem": f"no: {(done.stderr.strip().splitlines() or ['it failed'])[-1][:120]}"}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
