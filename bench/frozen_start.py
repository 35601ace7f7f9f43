"""What all programs of `bench/frozen.py` start from: the same images, weights and facts.

`python bench/frozen_start.py images SET COUNT FOLDER` writes images of a packaged set as PNG files, four fifths to
`train/`, one to `valid/`. `… weights NET FOLDER FILE` writes random weights of a zoo's network, its norms' statistics
taken from the images of FOLDER. `… job RECIPE NET FOLDER OUT THREADS` writes the job of a recipe and, as arrays, the
weights that it starts from. `… fused RECIPE` prints how many images per second pass the recipe's frozen part, fused.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from frozen_job import Job, Stage, write_job
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

SEED = 1
BATCH, SIDE, STEPS = 32, 64, 25  # of the passes that settle the norms: 0.9 ** 25 of their start is left, 7%


def write_images(name: str, count: str, folder: str) -> None:
    """Write images as PNG files, all at once: a folder that is there is complete."""
    from runtime.data.images import open_rgb
    from runtime.data.sources.packaged import fashion_mnist, solar_cells
    from runtime.data.splits import holdouts, take

    listing = take({"solar": solar_cells, "fashion": fashion_mnist}[name](), int(count), SEED)
    unfinished = Path(f"{folder}.part")
    for part, chosen in holdouts(listing, {"valid": 0.2}, SEED).items():
        for number, sample in enumerate(chosen.samples):
            place = unfinished / part / chosen.names[sample.target].replace("/", "-") / f"{number:05d}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            open_rgb(sample.image).convert("L").save(place)
    unfinished.rename(folder)


def write_weights(name: str, folder: str, file: str) -> None:
    """Write random weights; the norms have seen images, so that what they pass on has a common scale."""
    from runtime.backend.mx import array, autograd, mx, nd
    from runtime.models import zoo as families

    mx.random.seed(SEED)
    np.random.seed(SEED)
    net = families.build("gluoncv", name)
    net.initialize(mx.init.MSRAPrelu())
    paths = sorted((Path(folder) / "train").rglob("*.png"))
    chosen = np.random.default_rng(SEED)
    for _ in range(STEPS):
        pictures = [Image.open(paths[place]) for place in chosen.integers(len(paths), size=BATCH)]
        pixels = np.stack([np.asarray(picture.convert("RGB").resize((SIDE, SIDE))) for picture in pictures])
        with autograd.record():
            scores = net(array((pixels.transpose(0, 3, 1, 2) / 255 - 0.45) / 0.225))
        scores.backward()  # MXNet moves the statistics here
        nd.waitall()
    net.save_parameters(file)


def started(recipe: str) -> Any:
    """Return a recipe with its network at its start."""
    from runtime.backend.mx import mx
    from runtime.models.network import start_weights
    from runtime.workflows.preparation import prepare

    prepared = prepare(Path(recipe))
    start_weights(prepared.model, prepared.plan.base, prepared.plan.seed, mx.cpu())
    return prepared


def write_start(recipe: str, net: str, folder: str, out: str, threads: str) -> None:
    """Write `start.npz` and `job.json` into a folder."""
    prepared = started(recipe)
    model, plan = prepared.model, prepared.plan
    # Not `model.arrays()`: the order is that of the layers.
    arrays = [parameter.data().asnumpy() for parameter in model.parameters.values()]
    np.savez(Path(out) / "start.npz", **{f"{number:04d}": values for number, values in enumerate(arrays)})
    stages = []
    for stage in plan.stages:
        before = tuple(f"{part}." for part in list(model.parts)[: stage.cut])
        frozen = sum(name.startswith(before) for name in model.parameters)
        stages.append(Stage(stage.epochs, stage.optimizer.args["lr"], frozen))
    job = Job(
        net=net,
        train=f"{folder}/train",
        valid=f"{folder}/valid",
        arrays=f"{out}/start.npz",
        out=out,
        classes=len(plan.data.target.names),
        size=plan.data.size,
        batch=plan.data.batch,
        threads=int(threads),
        mean=tuple(plan.data.mean),
        std=tuple(plan.data.std),
        crop=any(step.name == "random_resized_crop" for step in plan.stages[0].augment),
        seed=plan.seed,
        stages=tuple(stages),
    )
    write_job(Path(out) / "job.json", job)


def print_fused_speed(recipe: str) -> None:
    """Print images per second from pixels to features of the longest frozen part, 0 where there is none."""
    from runtime.backend.freezing import prepare_stage
    from runtime.backend.mx import mx, nd
    from runtime.data.sets import to_input
    from runtime.features.features import Features
    from runtime.models.chain import Chain
    from runtime.models.network import frozen_units, units

    prepared = started(recipe)
    plan, model = prepared.plan.data, prepared.model
    prepare_stage(list(model.parts.items()), set())
    cut = max(frozen_units(model, stage.cut) for stage in prepared.plan.stages)
    if not cut:
        print(json.dumps({"images_per_s": 0.0}))
        return

    def prepare_input(images: Any) -> Any:
        return to_input(images, plan.mean, plan.std, mx.cpu())

    features = Features(Chain(units(model)), plan.batch, plan.size, mx.cpu(), prepare_input, keep=False)
    prefix = features.prefix(cut, [], 0)
    images = np.random.default_rng(SEED).integers(0, 256, (plan.batch, plan.size, plan.size, 3)).astype(np.uint8)
    times = []
    for _ in range(15):
        begin = time.perf_counter()
        prefix(images)[0].wait_to_read()
        times.append(time.perf_counter() - begin)
    nd.waitall()
    print(json.dumps({"images_per_s": plan.batch / float(np.median(times[5:]))}))


if __name__ == "__main__":
    ACTIONS = {"images": write_images, "weights": write_weights, "job": write_start, "fused": print_fused_speed}
    ACTIONS[sys.argv[1]](*sys.argv[2:])
