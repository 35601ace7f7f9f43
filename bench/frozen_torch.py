"""The PyTorch program of `bench/frozen.py`: `python bench/frozen_torch.py JOB.json`. Needs torch and torchvision.

Written as one who knows PyTorch would: what is frozen runs in eval mode under `no_grad` and is split off once per
stage, channels-last, batches read by two processes that live through the stage.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from frozen_job import Job, Stage, note, read_job
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision import models, transforms
from torchvision.datasets import ImageFolder

# repeats, kernel, stride, expansion, channels: Tan and Le, arXiv 1905.11946, without squeeze-and-excite
LITE0 = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class Same(nn.Module):
    """A convolution with TensorFlow's SAME padding for an even side, a norm, and ReLU6 unless it is linear."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1, linear: bool = False
    ) -> None:
        super().__init__()
        total = kernel - stride
        self.uneven = (total // 2, total - total // 2) if stride == 2 else None
        padding = 0 if stride == 2 else total // 2
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-3)
        self.linear = linear

    def forward(self, x: Any) -> Any:
        if self.uneven:
            x = F.pad(x, self.uneven * 2)
        x = self.norm(self.conv(x))
        return x if self.linear else F.relu6(x, inplace=True)


class MBConv(nn.Module):
    """Expand, convolve each channel by itself, project; the input is added where it fits."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        expand = [Same(inputs, wide)] if expansion != 1 else []
        self.body = nn.Sequential(
            *expand, Same(wide, wide, kernel, stride, groups=wide), Same(wide, outputs, linear=True)
        )
        self.skips = stride == 1 and inputs == outputs

    def forward(self, x: Any) -> Any:
        return x + self.body(x) if self.skips else self.body(x)


def lite0() -> Iterator[nn.Module]:
    """Yield the units of EfficientNet-Lite0 up to its pooling."""
    inputs = 32
    yield Same(3, inputs, 3, 2)
    for repeats, kernel, stride, expansion, outputs in LITE0:
        for number in range(repeats):
            yield MBConv(inputs, outputs, kernel, 1 if number else stride, expansion)
            inputs = outputs
    yield Same(inputs, 1280)


def units(name: str, classes: int) -> nn.Sequential:
    """Return a network as a sequence of units, with a new classifier."""
    if name == "efficientnet_lite0":
        parts, features = list(lite0()), 1280
    elif name == "mobilenetv2_1.0":
        parts, features = list(models.mobilenet_v2().features), 1280
    else:
        net = getattr(models, name.removesuffix("_v1b"))()
        parts, features = list(net.children())[:-2], net.fc.in_features
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(features, classes))


def fill(net: nn.Sequential, file: str) -> None:
    """Give a network its start values, which come in the order in which its layers are defined."""
    mine = [tensor for name, tensor in net.state_dict().items() if not name.endswith("num_batches_tracked")]
    with np.load(file) as arrays, torch.no_grad():
        for tensor, name in zip(mine, arrays.files, strict=True):
            assert tuple(tensor.shape) == arrays[name].shape, name
            tensor.copy_(torch.from_numpy(arrays[name]))


def split(net: nn.Sequential, frozen: int) -> tuple[nn.Sequential, nn.Sequential]:
    """Return the units that the first `frozen` arrays belong to, and the others; units without any go before."""
    count = place = 0
    for unit in net:
        own = sum(not name.endswith("num_batches_tracked") for name in unit.state_dict())
        if not frozen or count + own > frozen:
            break
        count, place = count + own, place + 1
    assert count == frozen
    return net[:place], net[place:]


def loaders(job: Job) -> tuple[Any, Any]:
    """Return the batches of the training and the validation set."""
    to_input = [transforms.ToTensor(), transforms.Normalize(job.mean, job.std)]
    bicubic = transforms.InterpolationMode.BICUBIC
    prepare = [transforms.Resize(job.size, bicubic), transforms.CenterCrop(job.size)]
    crop = [
        transforms.RandomResizedCrop(job.size, (0.4, 1.0), interpolation=bicubic),
        transforms.RandomHorizontalFlip(),
    ]
    options = {"batch_size": job.batch, "num_workers": 2, "persistent_workers": True}
    train = ImageFolder(job.train, transforms.Compose([*(crop if job.crop else prepare), *to_input]))
    valid = ImageFolder(job.valid, transforms.Compose([*prepare, *to_input]))
    return DataLoader(train, shuffle=True, drop_last=True, **options), DataLoader(valid, **options)


def accuracy(net: nn.Sequential, batches: Any) -> float:
    net.eval()
    right = count = 0
    with torch.inference_mode():
        for images, labels in batches:
            scores = net(images.to(memory_format=torch.channels_last))
            right += int((scores.argmax(1) == labels).sum())
            count += len(labels)
    return right / count


def run_stage(job: Job, position: int, stage: Stage, net: nn.Sequential, train: Any, valid: Any) -> None:
    net.requires_grad_(False)
    prefix, suffix = split(net, stage.frozen)
    suffix.requires_grad_(True)
    optimizer = torch.optim.Adam(suffix.parameters(), stage.lr)
    note(job, "stage_started", stage=position)
    for epoch in range(stage.epochs):
        prefix.eval()
        suffix.train()
        losses = []
        for images, labels in train:
            with torch.no_grad():
                features = prefix(images.to(memory_format=torch.channels_last))
            loss = F.cross_entropy(suffix(features), labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        measured = {"train_loss": float(torch.stack(losses).mean()), "accuracy": accuracy(net, valid)}
        note(job, "evaluated", stage=position, epoch=epoch + 1, **measured)
    note(job, "stage_finished", stage=position)


def main() -> None:
    job = read_job(sys.argv[1])
    torch.set_num_threads(job.threads)
    torch.manual_seed(job.seed)
    net = units(job.net, job.classes)
    fill(net, job.arrays)
    net.to(memory_format=torch.channels_last)
    train, valid = loaders(job)
    for position, stage in enumerate(job.stages):
        run_stage(job, position, stage, net, train, valid)
    torch.save(net.state_dict(), Path(job.out) / "model.pth")


if __name__ == "__main__":
    main()
