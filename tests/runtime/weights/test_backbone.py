"""Files of GluonCV's detectors and segmenters: their backbones compute what they did there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recipe_lang.problem import RecipeError
from runtime.backend.mx import mx
from runtime.models import zoo
from runtime.models.weights_sources import GLUON_PARAMS
from runtime.plan.types import Component


def _yolo(net: Any, images: Any) -> Any:
    for stage in net.stages:
        images = stage(images)
    return images


def _pose(net: Any, images: Any) -> Any:
    return net.resnet(images)


@pytest.mark.parametrize(
    ("name", "base", "features"),
    [("yolo3_mobilenet1.0_voc", "mobilenet1.0", _yolo), ("simple_pose_resnet18_v1b", "resnet18_v1b", _pose)],
)
def test_a_backbone_computes_what_it_did(name: str, base: str, features: Any, tmp_path: Path) -> None:
    from gluoncv import model_zoo

    mx.random.seed(1)
    net = model_zoo.get_model(name, pretrained=False, pretrained_base=False)
    net.initialize(mx.init.Xavier())
    images = mx.nd.random.normal(shape=(2, 3, 64, 64))
    net(images)
    for key, parameter in net._collect_params_with_prefix().items():
        if "running" in key or "gamma" in key or "beta" in key:
            parameter.set_data(mx.nd.random.uniform(0.5, 1.5, parameter.shape))
    path = tmp_path / "net.params"
    net.save_parameters(str(path))

    whole = zoo.build("gluoncv", base)
    cut = zoo.split(whole, "gluoncv", base)
    plan = Component("gluoncv", {"name": base, "weights": Component("gluon_params", {"file": path, "sha256": None})})
    for _, part in cut.parts:
        part.initialize()
    GLUON_PARAMS.load(plan, cut, whole)
    found = images
    for _, part in cut.parts:
        found = part(found)
    expected = features(net, images).asnumpy()
    assert found.shape == expected.shape
    assert np.abs(found.asnumpy() - expected).max() < 1e-5 * np.abs(expected).max()
    (told,) = GLUON_PARAMS.advice(plan, cut, whole)
    assert told.code == "W782"
    other = zoo.build("gluoncv", "resnet34_v1b")
    with pytest.raises(RecipeError):
        GLUON_PARAMS.load(plan, zoo.split(other, "gluoncv", "resnet34_v1b"), other)
