"""Objects by their centres: targets, loss and peaks against other ways to compute them, and a whole run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Ftr
from PIL import Image

from runtime.backend.blocks import LossBlock
from runtime.backend.mx import autograd, mx, nd
from runtime.data.boxes import Boxes, overlaps
from runtime.data.sources.scenes import scenes
from runtime.models.center_net import CenterNet
from runtime.plan.size import Size
from runtime.tasks.detection import targets
from runtime.tasks.detection.assignment import collated
from runtime.tasks.detection.centers import cells_of, labels, peaks, radius
from runtime.tasks.detection.losses import LOSSES
from runtime.tasks.detection.network import detections, exported
from runtime.training.settings import RunSettings
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run

FRAME, CELLS = Size(64, 96), Size(16, 24)
POINTS = CELLS.pixels
LOSS = next(each for each in LOSSES if each.entry.name == "center_focal")
ARGS = {arg.name: arg.default for arg in LOSS.entry.args}


def truth() -> Any:
    one = Boxes.of(
        [[4, 4, 44, 36], [20, 30, 60, 62], [70, 6, 90, 40], [30, 38, 50, 56]],
        [1, 0, 2, 0],
        crowd=[False, False, True, False],
        frame=FRAME,
    )
    return collated([one, Boxes.of([], [], frame=FRAME)])


def outputs(rng: np.random.Generator) -> Any:
    low = rng.uniform(0, 60, (2, POINTS, 2))
    boxes = np.concatenate([low, low + rng.uniform(2, 40, (2, POINTS, 2))], axis=2)
    return np.concatenate([rng.normal(-2, 2, (2, POINTS, 3)), boxes], axis=2).astype(np.float32)


def test_a_map_is_told_by_the_number_of_its_cells() -> None:
    assert cells_of(POINTS, FRAME) == CELLS
    assert cells_of(POINTS // 4, FRAME) == Size(8, 12)
    assert cells_of(12 * 8 + 6 * 4 + 3 * 2, FRAME) is None


def test_a_reach_is_as_far_as_corners_may_move() -> None:
    for width, height in ((10.0, 10.0), (3.0, 20.0), (40.0, 7.0)):
        reach, box = radius(width, height), np.array([[0, 0, width, height]])
        moves = [np.array(signs) * reach for signs in ((1, 1, 1, 1), (1, 1, -1, -1), (-1, -1, 1, 1))]
        assert min(overlaps(box, box + move)[0, 0] for move in moves) == pytest.approx(0.7)


def test_cells_learn_as_the_paper_says() -> None:
    found = labels(truth(), (2, POINTS, 7))[0].reshape(*CELLS, -1)
    heat = np.zeros((*CELLS, 3))
    for label, (x, y), (wide, high) in ((1, (6, 5), (10, 8)), (0, (10, 11), (10, 8)), (0, (10, 11), (5, 4.5))):
        reach = int(radius(wide, high))
        for row in range(CELLS.height):
            for column in range(CELLS.width):
                if max(abs(row - y), abs(column - x)) <= reach:
                    value = np.exp(-((row - y) ** 2 + (column - x) ** 2) / (2 * ((2 * reach + 1) / 6) ** 2))
                    heat[row, column, label] = max(heat[row, column, label], value)
    np.testing.assert_allclose(found[..., :3], heat, atol=1e-6)
    state = found[..., 3]
    assert np.argwhere(state == 1).tolist() == [[5, 6], [11, 10]]
    assert found[11, 10, 4:8].tolist() == [30, 38, 50, 56]  # of two with one centre the smaller
    assert (state[2:10, 18:22] == -2).all()  # nothing is learned in a crowd
    assert (state == -2).sum() == (10 - 1) * (23 - 17)
    assert (found[..., 8] == 0.25).all()


def test_the_loss_is_measured_as_it_is_trained() -> None:
    rng = np.random.default_rng(0)
    found, rows = outputs(rng), truth()
    values = nd.array(found)
    values.attach_grad()
    block = LossBlock(LOSS.build(ARGS))
    block.hybridize()
    assert LOSS.labels is not None
    with autograd.record():
        trained = block(values, nd.array(LOSS.labels(rows, found.shape)))
    trained.backward()
    measured = LOSS.measure(ARGS, found, rows)
    np.testing.assert_allclose(trained.asnumpy(), measured, rtol=1e-4)
    gradient = values.grad.asnumpy()
    state = labels(rows, found.shape)[..., 3]
    assert not gradient[state == -2].any()
    assert not gradient[state != 1][:, 3:].any()
    center = tuple(np.argwhere(state == 1)[0])
    for place in ((*center, 1), (*center, 4), (*center, 5), (1, 7, 2)):
        moved = found.astype(np.float64)
        moved[place] += 1e-3
        slope = (LOSS.measure(ARGS, moved, rows).sum() - measured.sum()) / 1e-3
        assert gradient[place] == pytest.approx(slope, rel=2e-2, abs=1e-6)


def test_a_loss_is_its_formula() -> None:
    rng = np.random.default_rng(4)
    found, rows = outputs(rng), truth()
    given = labels(rows, found.shape).astype(np.float64)
    expected = np.zeros(2)
    for image, place in np.ndindex(2, POINTS):
        heat, state, true = given[image, place, :3], given[image, place, 3], given[image, place, 4:8]
        for p, y in zip(1 / (1 + np.exp(-found[image, place, :3].astype(np.float64))), heat, strict=True):
            if state != -2:
                expected[image] -= (1 - p) ** 2 * np.log(p) if y == 1 else (1 - y) ** 4 * p**2 * np.log(1 - p)
        if state == 1:
            (x0, y0, x1, y1), (u0, v0, u1, v1) = found[image, place, 3:] / 4, true / 4  # in cells
            sizes = abs((x1 - x0) - (u1 - u0)) + abs((y1 - y0) - (v1 - v0))
            middles = abs((x0 + x1 - u0 - u1) / 2) + abs((y0 + y1 - v0 - v1) / 2)
            expected[image] += 0.3 * sizes + 0.7 * middles
    objects = (given[..., 3] == 1).sum()
    measured = LOSS.measure({"sizes": 0.3, "offsets": 0.7}, found, rows)
    np.testing.assert_allclose(measured, expected * 2 / objects, rtol=1e-5)


def test_a_head_gives_its_cells_row_by_row() -> None:
    net = CenterNet((5, 6), 8, 3, 4)
    net.initialize(mx.init.Zero())
    found = net(nd.zeros((1, 5, *CELLS)), nd.zeros((1, 6, 8, 12))).asnumpy()[0]
    for parameter in net.collect_params().values():
        assert parameter.shape
    middles = (found[:, 3:5] + found[:, 5:]) / 2
    rows, columns = np.divmod(np.arange(POINTS), CELLS.width)
    np.testing.assert_allclose(middles, np.stack([columns + 0.5, rows + 0.5], axis=1) * 4, atol=1e-4)
    assert found.shape == (POINTS, 7)


def test_peaks_as_scipy_finds_them_and_as_an_exported_graph_does() -> None:
    from scipy.ndimage import maximum_filter

    found = outputs(np.random.default_rng(4))[0]
    scores = found[:, :3].reshape(*CELLS, 3)
    expected = scores == maximum_filter(scores, size=(3, 3, 1), mode="constant", cval=-np.inf)
    assert (peaks(found[:, :3], CELLS) == expected.reshape(-1, 3)).all()
    objects = detections(found, FRAME, 3)
    assert 0 < len(objects.scores) <= expected.sum()
    symbol = exported(_given(), 3, FRAME)
    executor = symbol.bind(mx.cpu(), {"data": nd.zeros((1, 3, *FRAME)), "rows": nd.array(found[None])})
    rows = executor.forward()[0].asnumpy()[0]
    rows = rows[rows[:, 0] >= 0]
    np.testing.assert_allclose(rows[:, 1], objects.scores, atol=1e-6)
    np.testing.assert_array_equal(rows[:, 0], objects.classes)
    np.testing.assert_allclose(rows[:, 2:], objects.corners, atol=1e-4)


def _given() -> Any:
    """Return a network that gives what it is told."""
    pixels = mx.sym.sum(mx.sym.var("data"), axis=(1, 2, 3), keepdims=True).reshape((0, 1, 1)) * 0
    return mx.sym.broadcast_add(mx.sym.var("rows", shape=(1, POINTS, 7)), pixels)


RECIPE = """ftr 1
name = "centers"
task = detection
seed = 1
head = [centernet(channels = 32)]
loss = center_focal
data {
  train   = scenes
  take    = 48 images
  valid   = holdout(25%)
  test    = holdout(25%)
  size    = 96px
  prepare = [letterbox]
  batch   = 8
}
stage "head" {
  train     = head
  for       = 3 epochs
  optimizer = adam(lr = 5e-3)
  monitor   = valid.ap
}
"""


def test_a_run_learns_predicts_and_exports(tmp_path: Path, ftr: Ftr, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, image = tmp_path / "centers.ftr", tmp_path / "0.png"
    recipe.write_text(RECIPE)
    Image.fromarray(scenes("test").samples[0].image).resize((192, 96)).save(image)
    folder, _ = run(prepare(recipe), RunSettings(workers=0), tmp_path / "runs")
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    losses = [row["train_loss"] for row in rows if row["event"] == "evaluated"]
    assert losses[-1] < 0.8 * losses[0]
    assert ftr("verify", folder, "--quiet").out.startswith("identical")
    monkeypatch.setattr(targets, "thresholds", lambda result, names: (0.0,) * len(names))
    monkeypatch.setattr("runtime.tasks.detection.network.LEAST", 0.01)
    (row,) = json.loads(ftr("predict", folder, image, "--json").out)
    assert row["objects"]
    assert all(0 <= each["box"][1] <= each["box"][3] <= 96 for each in row["objects"])
    assert ftr("export", folder, "--out", tmp_path / "m").code == 0
