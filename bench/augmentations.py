"""How many images a second each augmentation takes, beside torchvision's on the same core.

    python bench/augmentations.py --torch-python ../torch/bin/python [--write docs/augmentations.md]

torchvision has a Python of its own (`pip install torchvision`). Both change the same photo, 256 by 256 pixels of RGB in
Pillow, one thread each, in turns; a figure is the median of the rounds, the ratio the median of their ratios. Random
parameters are drawn anew for each image by both. It takes a minute.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from runtime.data.transforms.catalog import TRANSFORMS, Pipeline
from runtime.data.transforms.changes import changed
from runtime.plan.size import Size
from runtime.plan.types import Component

ROUNDS, SECONDS = 7, 0.3
_BILINEAR = "interpolation=InterpolationMode.BILINEAR"
PAIRS = (  # a step and its arguments, and torchvision's own
    (
        ("random_resized_crop", {"size": 224}),
        "RandomResizedCrop(224, interpolation=InterpolationMode.BICUBIC)",
    ),
    (("flip", {}), "RandomHorizontalFlip()"),
    (("color_jitter", {"amount": 0.2, "hue": 0.05}), "ColorJitter(0.2, 0.2, 0.2, 0.05)"),
    (("rotation", {}), "RandomRotation(15, InterpolationMode.BILINEAR)"),
    (
        ("affine", {"degrees": 10, "translate": 0.1, "scale": (0.8, 1.2)}),
        f"RandomAffine(10, (0.1, 0.1), (0.8, 1.2), {_BILINEAR})",
    ),
    (("perspective", {"p": 1.0}), "RandomPerspective(p=1.0)"),
    (("blur", {"p": 1.0}), "GaussianBlur(9)"),
    (("erasing", {"p": 1.0}), "RandomErasing(1.0)"),
    (("equalize", {"p": 1.0}), "RandomEqualize(1.0)"),
    (("rand_augment", {}), f"RandAugment({_BILINEAR})"),
    (("trivial_augment", {}), f"TrivialAugmentWide({_BILINEAR})"),
    (("auto_augment", {}), f"AutoAugment({_BILINEAR})"),
    (("aug_mix", {}), f"AugMix({_BILINEAR})"),
)
THEIRS = """
import json, sys, time
import torch
from PIL import Image
from torchvision.transforms.v2 import *
torch.set_num_threads(1)
image = Image.open(sys.argv[1])
image.load()
for line in sys.stdin:
    name, seconds = json.loads(line)
    step, given, count = eval(name), image, 0
    begin = time.perf_counter()
    while time.perf_counter() < begin + seconds:
        if name.startswith("RandomErasing"):
            given = functional.pil_to_tensor(image)  # it takes tensors only
        step(given)
        count += 1
    print(count / (time.perf_counter() - begin), flush=True)
"""


def ours(image: Image.Image, name: str, args: dict[str, object]) -> float:
    """Return images per second of a step."""
    defaults = {arg.name: arg.default for arg in TRANSFORMS[name].entry.args}
    pipeline, rng, count = Pipeline((Component(name, defaults | args),)), np.random.default_rng(0), 0
    begin = time.perf_counter()
    while time.perf_counter() < begin + SECONDS:
        changed(image, pipeline.draw(Size(image.height, image.width), rng))
        count += 1
    return count / (time.perf_counter() - begin)


def photo() -> Image.Image:
    """Return noise with soft colours."""
    rng = np.random.default_rng(1)
    soft = Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).resize((256, 256))
    return Image.fromarray((np.asarray(soft) + rng.normal(0, 8, (256, 256, 3))).clip(0, 255).astype(np.uint8))


def rows(python: str) -> list[str]:
    """Measure all pairs in turns."""
    image, found = photo(), []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "photo.png")
        image.save(path)
        command = [python, "-c", THEIRS, str(path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            for (name, args), their in PAIRS:
                speeds = []
                for _ in range(ROUNDS):
                    print(json.dumps([their, SECONDS]), file=process.stdin, flush=True)
                    speeds.append((float(process.stdout.readline()), ours(image, name, args)))
                theirs, own = (statistics.median(each) for each in zip(*speeds, strict=True))
                ratio = statistics.median(own / theirs for theirs, own in speeds)
                found.append(f"| `{name}` | {own:,.0f} | {theirs:,.0f} | {ratio:.2f} |")
                print(found[-1], flush=True)
            process.stdin.close()
    return found


def main() -> None:
    """Print the table, and write it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--torch-python", required=True)
    parser.add_argument("--write", type=Path)
    args = parser.parse_args()
    head = ["| step | ftr, images / s | torchvision, images / s | ratio |", "|---|---|---|---|"]
    table = "\n".join([*head, *rows(args.torch_python)])
    if args.write:
        args.write.write_text(f"# The speed of augmentations\n\n{DOC}\n\n{table}\n")


DOC = """Images per second of each step on one core, a photo of 256 by 256 pixels: ftr beside torchvision on Pillow
images, in turns; medians of seven rounds, the ratio that of each round. This table is made by
`python bench/augmentations.py --torch-python … --write docs/augmentations.md`."""


if __name__ == "__main__":
    main()
