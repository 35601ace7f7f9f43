"""The loss of objects: how sure each point is of each class, and how well its box fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from recipe_lang.check.vocabulary import Arg, Entry, Number
from runtime.tasks.detection import anchored, centers, multibox
from runtime.tasks.protocol import Loss

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LEAST_AREA = 1e-6


def _built(args: Mapping[str, Any]) -> Callable[[Any, Any, Any], Any]:
    def loss(F: Any, outputs: Any, targets: Any) -> Any:  # noqa: N803
        own = F.slice_like(targets, outputs, axes=(1,))
        labels = F.slice_axis(own, axis=2, begin=0, end=1)
        scores = F.slice_axis(outputs, axis=2, begin=0, end=-4)
        overlap, distance = _of_boxes(F, outputs, own)
        learns = labels >= 0
        classes = F.broadcast_like(F.contrib.arange_like(scores, axis=2).reshape((1, 1, -1)), scores)
        quality = F.broadcast_mul(F.broadcast_like(labels, scores) == classes, F.BlockGrad(overlap))
        entropy = F.relu(scores) - scores * quality + F.Activation(-F.abs(scores), "softrelu")
        wrong = quality - F.sigmoid(scores)
        focal = (F.square(wrong) if args["beta"] == 2 else F.abs(wrong) ** args["beta"]) * entropy
        points = F.sum(focal, axis=2, keepdims=True) * (labels >= -1)  # those of -2 learn nothing
        each = F.sum(points + args["boxes"] * learns * distance, axis=(1, 2))
        positives = F.sum(learns, axis=(1, 2))
        return F.broadcast_div(each, F.maximum(F.mean(positives), F.mean(1 / F.sum(F.ones_like(positives)))))

    return loss


def _of_boxes(F: Any, outputs: Any, own: Any) -> tuple[Any, Any]:  # noqa: N803
    """Return for each point (N, points, 1) the intersection over union of its box and the true one, and 1 - GIoU."""
    one = [F.slice_axis(outputs, axis=2, begin=place, end=place + 1 or None) for place in range(-4, 0)]
    other = [F.slice_axis(own, axis=2, begin=place, end=place + 1) for place in range(1, 5)]
    width, height = (
        F.relu(F.minimum(one[axis + 2], other[axis + 2]) - F.maximum(one[axis], other[axis])) for axis in (0, 1)
    )
    wide, high = (F.maximum(one[axis + 2], other[axis + 2]) - F.minimum(one[axis], other[axis]) for axis in (0, 1))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    # A point that learns no object may give a box of no area, and its true one has none: 0 / 0 would reach gradients.
    union = F.maximum(areas[0] + areas[1] - width * height, _LEAST_AREA)
    hull = F.maximum(wide * high, _LEAST_AREA)
    overlap = width * height / union
    return overlap, 1 - overlap + (hull - union) / hull


def _measured(args: Mapping[str, Any], outputs: NDArray[np.float32], targets: NDArray[Any]) -> NDArray[np.float64]:
    import numpy as np

    own = targets[:, : outputs.shape[1]].astype(np.float64)
    labels, scores, boxes = own[..., 0].astype(int), outputs[..., :-4].astype(np.float64), outputs[..., -4:]
    learns = labels >= 0
    overlap, distance = (np.zeros(labels.shape) for _ in range(2))
    overlap[learns], distance[learns] = _pairs(boxes[learns].astype(np.float64), own[learns][:, 1:5])
    quality = np.where(labels[..., None] == np.arange(scores.shape[-1]), overlap[..., None], 0.0)
    entropy = np.maximum(scores, 0) - scores * quality + np.log1p(np.exp(-np.abs(scores)))
    focal = np.abs(quality - 1 / (1 + np.exp(-scores))) ** args["beta"] * entropy
    each = (focal.sum(axis=2) * (labels >= -1)).sum(axis=1) + args["boxes"] * distance.sum(axis=1)
    found: NDArray[np.float64] = each * len(each) / max(1, learns.sum())
    return found


def _pairs(ones: NDArray[np.float64], others: NDArray[np.float64]) -> tuple[Any, Any]:
    import numpy as np

    low, high = np.maximum(ones[:, :2], others[:, :2]), np.minimum(ones[:, 2:], others[:, 2:])
    common = np.maximum(high - low, 0).prod(axis=1)
    union = sum((each[:, 2:] - each[:, :2]).prod(axis=1) for each in (ones, others)) - common
    hull = (np.maximum(ones[:, 2:], others[:, 2:]) - np.minimum(ones[:, :2], others[:, :2])).prod(axis=1)
    return common / union, 1 - common / union + (hull - union) / hull


LOSSES = (
    Loss(
        Entry(
            "quality_focal",
            "Quality focal loss of the classes and GIoU loss of the boxes.",
            (
                Arg("beta", Number(0, 10), "How much less points count that are right already.", 2.0),
                Arg("boxes", Number(0, 100), "Weight of the boxes.", 2.0),
            ),
            source="Li et al., arXiv 2006.04388; GIoU: Rezatofighi et al., arXiv 1902.09630",
            formula=(
                "p the probability of a class at a point, q the overlap of the box there with the object it learns, 0"
                " of other classes\n"
                "loss = (sum |q - p|^beta BCE(p, q) + boxes sum (1 - GIoU)) / points that learn an object, of the batch"
            ),
            examples=(
                "task = detection\nloss = quality_focal(beta = 2, boxes = 2)",
                "task = detection\nloss = quality_focal",
            ),
        ),
        _built,
        _measured,
        heads=("anchor_free",),
    ),
    Loss(
        Entry(
            "center_focal",
            "Focal loss of the centres, L1 of the boxes' sizes and of their centres' places.",
            (
                Arg("sizes", Number(0, 100), "Weight of the sizes.", 0.1),
                Arg("offsets", Number(0, 100), "Weight of the places.", 1.0),
            ),
            source="Objects as Points: Zhou et al., arXiv 1904.07850",
            formula=(
                "p the probability of a class at a cell, y a Gaussian around its centres, 1 there; lengths in cells\n"
                "loss = -(sum (1 - p)^2 log p at centres + sum (1 - y)^4 p^2 log(1 - p) elsewhere"
                " + sizes |size - true| + offsets |centre - true|) / objects of the batch"
            ),
            examples=(
                "task = detection\nhead = [centernet]\nloss = center_focal(sizes = 0.1, offsets = 1)",
                "task = detection\nhead = [centernet]\nloss = center_focal",
            ),
        ),
        centers.built,
        centers.measured,
        labels=centers.labels,
        heads=("centernet", "center_net"),
    ),
    Loss(
        Entry(
            "ssd_loss",
            "Cross entropy of classes and background at anchors, and smooth L1 of their boxes, of an SSD of GluonCV.",
            (
                Arg("negatives", Number(0, 1000), "Anchors that learn the background for each that learns one.", 3.0),
                Arg("boxes", Number(0, 100), "Weight of the boxes.", 1.0),
            ),
            source="SSD: Liu et al., arXiv 1512.02325; sums and weights of gluoncv.loss.SSDMultiBoxLoss",
            formula=(
                "loss = (sum CE at anchors that learn an object and at the hardest others, negatives for each"
                " + boxes sum smooth L1(change - true)) / anchors of the batch that learn one"
            ),
            examples=(
                'task = detection\nbase = gluoncv("ssd_512_mobilenet1.0_voc", weights = none)\nhead = [own]'
                "\nloss = ssd_loss(negatives = 3, boxes = 1)",
                'task = detection\nbase = gluoncv("ssd_512_mobilenet1.0_voc", weights = none)\nhead = [own]'
                "\nloss = ssd_loss",
            ),
        ),
        multibox.built,
        multibox.measured,
        labels=multibox.labels,
        heads=("ssd",),
    ),
    Loss(
        Entry(
            "yolo3_loss",
            "Cross entropy of objects, their classes and places, and L1 of their sides, of a YOLOv3 of GluonCV.",
            (
                Arg(
                    "ignore",
                    Number(0, 1),
                    "The overlap of an object above which a point that learns none is left out.",
                    0.7,
                ),
            ),
            source="YOLOv3: Redmon and Farhadi, arXiv 1804.02767; sums and weights of gluoncv.loss.YOLOV3Loss",
            formula=(
                "w = 2 - area of the box / area of the image\n"
                "loss = sum BCE of objects + sum over points that learn one (sum BCE of classes"
                " + w (sum BCE of the place in the cell + sum |log of sides by the anchor's - true|))"
            ),
            examples=(
                'task = detection\nbase = gluoncv("yolo3_mobilenet0.25_voc", weights = none)\nhead = [own]'
                "\nloss = yolo3_loss(ignore = 0.7)",
                'task = detection\nbase = gluoncv("yolo3_mobilenet0.25_voc", weights = none)\nhead = [own]'
                "\nloss = yolo3_loss",
            ),
        ),
        anchored.built,
        anchored.measured,
        labels=anchored.labels,
        heads=("yolo3",),
    ),
)
