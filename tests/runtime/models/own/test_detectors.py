"""GluonCV's detectors as bases: the zoo's own objects."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from runtime.backend.mx import gluoncv, mx, nd
from runtime.models.heads import head_block
from runtime.models.network import build_model, start_weights
from runtime.plan.size import Size
from runtime.plan.types import Component
from runtime.tasks.detection.network import detections

SIZE = Size(64, 96)


def outputs(name: str, file: Path, image: object) -> np.ndarray:
    weights = Component("gluon_params", {"file": file, "sha256": None, "head": "kept"})
    base, layers = Component("gluoncv", {"name": name, "weights": weights}), [Component("own", {"outputs": "classes"})]
    found = build_model(base, layers, SIZE, partial(head_block, outputs={"classes": 20}))
    start_weights(found, base, 0, mx.cpu())
    return found.net(image).asnumpy()


def test_the_peaks_of_center_net_are_those_of_the_zoo(tmp_path: Path) -> None:
    net = gluoncv().model_zoo.get_model("center_net_resnet18_v1b_voc", pretrained_base=False)
    net.initialize(mx.init.Xavier(), force_reinit=True)
    image = nd.array(np.random.default_rng(0).uniform(-1, 1, (2, 3, *SIZE)))
    labels, scores, boxes = (each[0].asnumpy() for each in net(image))
    net.save_parameters(str(tmp_path / "center.params"))
    (found, _) = outputs("center_net_resnet18_v1b_voc", tmp_path / "center.params", image)
    objects = detections(found, SIZE)
    objects = objects.chosen(objects.scores > scores.min() + 1e-5)  # the zoo keeps 40
    assert len(objects) > 1
    for label, score, corners in zip(objects.classes, objects.scores, objects.corners, strict=True):
        same = (labels == label) & (abs(scores - score) < 1e-5)
        low, high = np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])
        far = abs(np.concatenate([low, high], axis=1).clip(0, (96, 64, 96, 64)) - corners).max(axis=1)
        assert far[same].min() < 1e-3
