"""The PyTorch program of `bench/detection_speed.py`: `python bench/detection_torch.py BATCHES.npz STEPS THREADS`.

Needs torch and torchvision. In go the weights of a detector or a segmenter from some part on, and batches of what
stands before it;
out comes a line of JSON: seconds of a step, and the loss of each batch in the first pass over them, with Adam. Written
as one who knows PyTorch would: frozen norms in eval mode, channels last.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np
import torch
from frozen_torch import lite0
from torch import nn
from torch.nn import functional as F

STRIDES = (8, 16, 32)
UNITS = 17  # of EfficientNet-Lite0 without its last layer


def across(inputs: int, channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, channels, 1, bias=False), nn.BatchNorm2d(channels, 1e-3, 0.1), nn.ReLU(inplace=True)
    )


def depthwise(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)


class AnchorFree(nn.Module):
    """That of `runtime/models/anchor_free.py`."""

    def __init__(self, maps: list[int], channels: int, classes: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(across(each, channels) for each in maps)
        self.smooth = nn.ModuleList(nn.Sequential(depthwise(channels), across(channels, channels)) for _ in maps)
        self.towers = nn.ModuleList(nn.Sequential(depthwise(channels), across(channels, channels)) for _ in range(2))
        self.scores = nn.Conv2d(channels, classes, 1)
        self.sides = nn.Conv2d(channels, 4, 1)
        self.scales = nn.Parameter(torch.ones(len(maps)))

    def forward(self, *maps: Any) -> Any:
        found = [block(each) for block, each in zip(self.lateral, maps, strict=True)]
        for place in (1, 0):
            found[place] = found[place] + F.interpolate(found[place + 1], scale_factor=2)
        found = [block(each) for block, each in zip(self.smooth, found, strict=True)]
        classes, boxes = (
            tower[1](torch.cat([tower[0](each).flatten(2).unsqueeze(2) for each in found], 3)) for tower in self.towers
        )
        cells = [each.shape[2] * each.shape[3] for each in found]
        scale = torch.cat([self.scales[place].expand(count) for place, count in enumerate(cells)])
        points, strides = [], []
        for each, stride in zip(found, STRIDES, strict=True):
            y, x = torch.meshgrid(*((torch.arange(n) + 0.5) * stride for n in each.shape[2:]), indexing="ij")
            points.append(torch.stack([x.flatten(), y.flatten()]))
            strides.append(torch.full((x.numel(),), 2.0 * stride))
        reach = F.softplus(self.sides(boxes)[:, :, 0] * scale) * torch.cat(strides)
        middle = torch.cat(points, 1)
        corners = torch.cat([middle - reach[:, :2], middle + reach[:, 2:]], 1)
        return torch.cat([self.scores(classes)[:, :, 0], corners], 1).transpose(1, 2)


class FeaturePyramid(nn.Module):
    """That of `runtime/models/pyramid.py`."""

    def __init__(self, maps: list[int], channels: int, classes: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(each, channels, 1) for each in maps)
        self.smooth = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, 3, padding=1, bias=False),
                nn.BatchNorm2d(channels, 1e-3, 0.1),
                nn.ReLU(inplace=True),
            )
            for _ in maps
        )
        self.scores = nn.Conv2d(channels, classes, 1)

    def forward(self, *maps: Any) -> Any:
        found = None
        for each, lateral, smooth in reversed(list(zip(maps, self.lateral, self.smooth, strict=True))):
            own = lateral(each)
            if found is not None:
                own = own + F.interpolate(found, scale_factor=2, mode="bilinear", align_corners=False)
            found = smooth(own)
        return self.scores(found)


class Network(nn.Module):
    """The last units of the base, which train, the first of which takes the last of the given maps, and the head."""

    def __init__(self, units: list[nn.Module], head: nn.Module, places: list[int]) -> None:
        super().__init__()
        self.units, self.head = nn.Sequential(*units), head
        self.handed_on = [place - (UNITS - len(units)) for place in places]  # behind how many a map is handed on

    def forward(self, *maps: Any) -> Any:
        *held, x = maps
        if 0 in self.handed_on:
            held.append(x)
        for place, unit in enumerate(self.units, 1):
            x = unit(x)
            if place in self.handed_on:
                held.append(x)
        return self.head(*held, x) if len(self.units) else self.head(*maps)


def quality_focal(outputs: Any, own: Any) -> Any:
    """The loss of `runtime/tasks/detection/losses.py`, with its default arguments."""
    labels, scores = own[..., 0], outputs[..., :-4]
    learns = labels >= 0
    one, other = outputs[..., -4:][learns], own[..., 1:5][learns]
    common = (torch.minimum(one[:, 2:], other[:, 2:]) - torch.maximum(one[:, :2], other[:, :2])).clamp(0).prod(1)
    area = (one[:, 2:] - one[:, :2]).prod(1) + (other[:, 2:] - other[:, :2]).prod(1) - common
    hull = (torch.maximum(one[:, 2:], other[:, 2:]) - torch.minimum(one[:, :2], other[:, :2])).prod(1)
    overlap = common / area.clamp(1e-6)
    quality = torch.zeros_like(scores)
    quality[learns, labels[learns].long()] = overlap.detach()
    focal = (quality - scores.sigmoid()).abs() ** 2 * F.binary_cross_entropy_with_logits(
        scores, quality, reduction="none"
    )
    boxes = (1 - overlap + (hull - area) / hull.clamp(1e-6)).sum()
    return ((focal.sum(2) * (labels >= -1)).sum() + 2 * boxes) / max(1, int(learns.sum()))


def pixel_cross_entropy(weights: list[float] | None, dice: float) -> Any:
    """Return the loss of `runtime/tasks/segmentation/losses.py`, a mean over the images."""
    by_class = None if weights is None else torch.tensor(weights)

    def loss(scores: Any, labels: Any) -> Any:
        labels = labels.long()
        counts = labels != 255
        each = F.cross_entropy(scores, labels, by_class, ignore_index=255, reduction="none")
        mean = each.sum((1, 2)) / counts.sum((1, 2)).clamp(1)
        if not dice:
            return mean.mean()
        shown = F.one_hot(labels * counts, scores.shape[1]).permute(0, 3, 1, 2) * counts[:, None]
        shares = scores.softmax(1) * counts[:, None]
        true = shown.sum((2, 3))
        missed = (1 - 2 * (shares * shown).sum((2, 3)) / (true + shares.sum((2, 3)) + 1e-6)) * (true > 0)
        return (mean + dice * missed.sum(1) / (true > 0).sum(1).clamp(1)).mean()

    return loss


def filled(arrays: Any, facts: dict[str, Any]) -> Network:
    """Return the network with the weights of a file, which stand there in the order of definition."""
    units = facts["units"]
    chosen = list(lite0())[:-1][UNITS - units :] if units else []
    head = AnchorFree if facts["task"] == "detection" else FeaturePyramid
    net = Network(chosen, head(facts["maps"], facts["channels"], facts["classes"]), facts["places"])
    mine = [value for name, value in net.state_dict().items() if "num_batches" not in name]
    with torch.no_grad():
        for number, value in enumerate(mine):
            value.copy_(torch.from_numpy(arrays[f"weight{number}"]).reshape(value.shape))
    for norm in net.units.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.requires_grad_(False)
    return net.to(memory_format=torch.channels_last)


def main() -> None:
    path, steps, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    arrays = np.load(path)
    facts = json.loads(str(arrays["facts"]))
    net = filled(arrays, facts)
    boxes = facts["task"] == "detection"
    criterion = quality_focal if boxes else pixel_cross_entropy(facts["weights"], facts["dice"])
    net.train()
    net.units.eval()
    parts = ((net.units, facts["scale"]), (net.head, 1.0))
    groups = [
        {"params": own, "scale": scale}
        for part, scale in parts
        if (own := [p for p in part.parameters() if p.requires_grad])
    ]
    update = torch.optim.Adam(groups)
    batches = [
        (
            [torch.from_numpy(arrays[f"map{number}_{place}"]) for place in range(facts["taps"])],
            torch.from_numpy(arrays[f"labels{number}"]),
        )
        for number in range(facts["batches"])
    ]
    batches = [([each.contiguous(memory_format=torch.channels_last) for each in maps], own) for maps, own in batches]
    losses, times = [], []
    for number in range(steps):
        maps, own = batches[number % len(batches)]
        begin = time.perf_counter()
        for group in update.param_groups:
            group["lr"] = facts["rates"][number] * group["scale"]
        update.zero_grad()
        loss = criterion(net(*maps), own)
        loss.backward()
        update.step()
        times.append(time.perf_counter() - begin)
        losses.append(float(loss))
    print(json.dumps({"seconds": min(times), "losses": losses}))


if __name__ == "__main__":
    main()
