"""GluonCV's detectors as bases: the zoo's own objects."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from runtime.backend.blocks import LossBlock
from runtime.backend.mx import autograd, gluoncv, mx, nd
from runtime.data.boxes import Boxes
from runtime.models.heads import head_block
from runtime.models.network import Model, build_model, start_weights
from runtime.models.own.anchors import YOLO3
from runtime.plan.size import Size
from runtime.plan.types import Component
from runtime.tasks.detection import anchored, multibox
from runtime.tasks.detection.assignment import collated
from runtime.tasks.detection.network import detections

SIZE = Size(64, 96)


def ours(name: str, file: Path) -> Model:
    weights = Component("gluon_params", {"file": file, "sha256": None, "head": "kept"})
    base, layers = Component("gluoncv", {"name": name, "weights": weights}), [Component("own", {"outputs": "classes"})]
    found = build_model(base, layers, SIZE, partial(head_block, outputs={"classes": 20}))
    start_weights(found, base, 0, mx.cpu())
    return found


def test_the_peaks_of_center_net_are_those_of_the_zoo(tmp_path: Path) -> None:
    net = gluoncv().model_zoo.get_model("center_net_resnet18_v1b_voc", pretrained_base=False)
    net.initialize(mx.init.Xavier(), force_reinit=True)
    labels, scores, boxes = (each[0].asnumpy() for each in net(image()))
    net.save_parameters(str(tmp_path / "center.params"))
    (found, _) = ours("center_net_resnet18_v1b_voc", tmp_path / "center.params").net(image()).asnumpy()
    objects = detections(found, SIZE, 20)
    objects = objects.chosen(objects.scores > scores.min() + 1e-5)  # the zoo keeps 40
    assert len(objects) > 1
    for label, score, corners in zip(objects.classes, objects.scores, objects.corners, strict=True):
        same = (labels == label) & (abs(scores - score) < 1e-5)
        low, high = np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])
        far = abs(np.concatenate([low, high], axis=1).clip(0, (96, 64, 96, 64)) - corners).max(axis=1)
        assert far[same].min() < 1e-3


YOLO = "yolo3_mobilenet0.25_voc"
TRUTH = (
    Boxes.of([[3, 5, 60, 50], [70, 8, 90, 30]], [4, 19], frame=SIZE),
    Boxes.of([[20, 20, 35, 60]], [0], frame=SIZE),
)


@pytest.fixture(scope="module")
def yolo(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, Path]:
    """The zoo's network, and its file."""
    net = gluoncv().model_zoo.get_model(YOLO, pretrained_base=False)
    net.initialize(mx.init.Xavier(), force_reinit=True)
    net(nd.zeros((1, 3, *SIZE)))
    path = tmp_path_factory.mktemp("zoo") / "yolo.params"
    net.save_parameters(str(path))
    return net, path


def test_the_objects_of_yolo_are_those_of_the_zoo(yolo: tuple[object, Path]) -> None:
    net, path = yolo
    net.set_nms(-1)
    labels, scores, boxes = (each[0].asnumpy() for each in net(image()))
    found = ours(YOLO, path).net(image()).asnumpy()[0]
    assert found.shape == (3 * (2 * 3 + 4 * 6 + 8 * 12), 2 * 25)
    chances = 1 / (1 + np.exp(-found[:, :20]))
    for label in (0, 19):
        rows = np.concatenate([scores, boxes], axis=1)[labels[:, 0] == label]
        mine = np.concatenate([chances[:, label : label + 1], found[:, 20:24]], axis=1)
        order, other = (np.lexsort(np.round(each[:, ::-1], 1).T) for each in (rows[:, 1:], mine[:, 1:]))
        np.testing.assert_allclose(mine[other], rows[order], rtol=1e-4, atol=1e-3)


def test_the_loss_of_yolo_and_its_gradients_are_those_of_the_zoo(yolo: tuple[object, Path]) -> None:
    net, path = yolo
    with autograd.train_mode():
        _, anchors, offsets, maps, *_ = net(image())
    assert [each.asnumpy().reshape(-1, 2).tolist() for each in anchors] == [[[*a] for a in own] for _, own in YOLO3]
    boxes, labels = np.full((2, 2, 4), -1.0), np.full((2, 2, 1), -1.0)
    for number, truth in enumerate(TRUTH):
        boxes[number, : len(truth)], labels[number, : len(truth), 0] = truth.corners, truth.classes
    generator = gluoncv().model_zoo.yolo.yolo_target.YOLOV3PrefetchTargetGenerator(20)
    given = generator(image(), maps, anchors, offsets, nd.array(boxes), nd.array(labels))
    net.hybridize()
    with autograd.record():
        theirs = sum(net(image(), nd.array(boxes), *given))
    theirs.backward()
    mine = ours(YOLO, path)
    with autograd.record():
        outputs = mine.net(image())
        targets = collated(TRUTH)
        loss = LossBlock(anchored.built({"ignore": 0.7}))(outputs, nd.array(anchored.labels(targets, outputs.shape)))
    loss.backward()
    np.testing.assert_allclose(loss.asnumpy(), theirs.asnumpy(), rtol=1e-4)
    measured = anchored.measured({"ignore": 0.7}, outputs.asnumpy(), targets)
    np.testing.assert_allclose(measured, theirs.asnumpy(), rtol=1e-4)
    pairs = [(net.stages[0][0].weight, mine.base.parts[0][1][0].weight)]
    pairs += [
        (mine_of, theirs_of)
        for mine_of, theirs_of in zip(
            mine.parts["head"].blocks.collect_params().values(), net.yolo_blocks.collect_params().values(), strict=True
        )
        if mine_of.grad_req != "null"
    ]
    for one, other in pairs:
        size = abs(other.grad().asnumpy()).max()
        np.testing.assert_allclose(one.grad().asnumpy(), other.grad().asnumpy(), atol=1e-3 * size)


SSD = ("ssd_512_mobilenet1.0_voc", "ssd_512_resnet50_v1_voc")


@pytest.fixture(scope="module")
def ssd(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, object, Path]:
    """A name, the zoo's network, and its file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of types that nothing says
        net = gluoncv().model_zoo.get_model(request.param, pretrained_base=False)
    net.initialize(mx.init.Normal(0.02))  # Xavier's fails on the norms of the zoo's graph
    net(nd.zeros((1, 3, *SIZE)))
    for name, parameter in net.collect_params().items():
        if name.endswith(("gamma", "_var")):
            parameter.set_data(1 + parameter.data().abs())
        if "bias" in name:
            parameter.set_data(nd.array(np.random.default_rng(1).normal(size=parameter.shape)))
    path = tmp_path_factory.mktemp("zoo") / "ssd.params"
    net.save_parameters(str(path))
    return request.param, net, path


@pytest.mark.parametrize("ssd", SSD, indirect=True)
def test_the_objects_of_ssd_are_those_of_the_zoo(ssd: tuple[str, object, Path]) -> None:
    name, net, path = ssd
    net.set_nms(-1)
    _, scores, boxes = (each[0].asnumpy() for each in net(image()))
    scores, boxes = scores.reshape(20, -1).T, boxes.reshape(20, -1, 4)[0]
    found = ours(name, path).net(image()).asnumpy()[0]
    assert found.shape == (len(boxes), 2 * 25)
    chances = 1 / (1 + np.exp(-found[:, :20]))
    shown = scores > 0.0101  # the zoo hides others
    assert shown.any()
    np.testing.assert_allclose(chances[shown], scores[shown], rtol=1e-4)
    np.testing.assert_allclose(found[:, 20:24], boxes, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("ssd", [SSD[0], pytest.param(SSD[1], marks=pytest.mark.long)], indirect=True)
def test_the_loss_of_ssd_and_its_gradients_are_those_of_the_zoo(ssd: tuple[str, object, Path]) -> None:
    name, net, path = ssd
    with autograd.train_mode():
        _, _, anchors = net(image())
    from gluoncv.model_zoo.ssd.target import SSDTargetGenerator

    generator = SSDTargetGenerator(negative_mining_ratio=-1)
    large = (  # a small object lies inside of several anchors, and which overlap it alike, rounding decides in the zoo
        Boxes.of([[3, 5, 60, 50], [50, 3, 93, 63]], [4, 19], frame=SIZE),
        Boxes.of([[10, 2, 90, 61]], [0], frame=SIZE),
    )
    given = [generator(anchors, None, nd.array(t.corners[None]), nd.array(t.classes[None, :, None])) for t in large]
    classes, changes = (nd.concat(*each, dim=0) for each in list(zip(*given, strict=True))[:2])
    net.hybridize()
    with autograd.record():
        scores, boxes, _ = net(image())
        (theirs,), *_ = gluoncv().loss.SSDMultiBoxLoss()([scores], [boxes], [classes], [changes])
    theirs.backward()
    mine, targets = ours(name, path), collated(large)
    with autograd.record():
        outputs = mine.net(image())
        learned = multibox.labels(targets, outputs.shape)
        loss = LossBlock(multibox.built({"negatives": 3.0, "boxes": 1.0}))(outputs, nd.array(learned))
        mean = loss / len(large)
    mean.backward()
    np.testing.assert_array_equal(learned[..., 0], classes.asnumpy())
    np.testing.assert_allclose(learned[..., 1:].reshape(changes.shape), changes.asnumpy(), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(mean.asnumpy(), theirs.asnumpy(), rtol=1e-4)
    measured = multibox.measured({"negatives": 3.0, "boxes": 1.0}, outputs.asnumpy(), targets)
    np.testing.assert_allclose(measured, loss.asnumpy(), rtol=1e-4)
    whole, zoo = mine.whole._collect_params_with_prefix(), net._collect_params_with_prefix()
    assert whole.keys() == zoo.keys()
    for own in (
        "class_predictors.2.predictor.weight",
        "box_predictors.0.predictor.weight",
        "features.expand_conv1_weight",
    ):
        one, other = whole[own].grad().asnumpy(), zoo[own].grad().asnumpy()
        np.testing.assert_allclose(one, other, atol=1e-3 * abs(other).max())


def image() -> object:
    return nd.array(np.random.default_rng(0).uniform(-1, 1, (2, 3, *SIZE)))
