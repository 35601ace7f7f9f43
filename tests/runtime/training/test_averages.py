"""Averages of weights against their formulas, and what validation and the next stage get of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.backend.mx import gluon, mx, nd
from runtime.plan.types import Component, Length
from runtime.runs.resume import Resume
from runtime.training.averages import Average
from runtime.training.events import StepFinished
from runtime.training.gradients import add_l2_sp, add_up, ascended
from runtime.training.settings import RunSettings
from runtime.training.stage import Interrupted
from runtime.weights.params_file import read_params
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run
from tests.toy import CLASSES, make_images, write_recipe

STAGE = """
stage "all" {{
  train     = base.block3 .. head
  for       = {length}
  optimizer = sgd(lr = 1e-3, momentum = 0)
  schedule  = constant
  norm      = frozen
  {own}
}}
"""


def parameter(values: Any) -> Any:
    made = gluon.Parameter("weight", shape=np.shape(values))
    made.initialize(mx.init.Zero())
    made.set_data(nd.array(values))
    return made


def averaged(rule: Component, steps: int, per_epoch: int) -> list[float | None]:
    """Return the average of a weight that is t^2 after step t, after each step."""
    weight = parameter([0.0])
    stage: Any = type("Stage", (), {"average": rule, "steps_per_epoch": per_epoch})
    average, found = Average(stage, {"w": weight}, {}), []
    for step in range(1, steps + 1):
        weight.set_data(nd.array([step**2]))
        average.update(step)
        found.append(float(average.arrays["w"].asscalar()) if average.arrays else None)
    return found


def test_ema_follows_its_formula() -> None:
    found = averaged(Component("ema", {"decay": 0.6}), 30, 10)
    expected = [1.0]
    for t in range(2, 31):
        decay = min(0.6, t / (9 + t))
        expected.append(decay * expected[-1] + (1 - decay) * t**2)
    np.testing.assert_allclose(np.array(found, float), expected, rtol=1e-5)


def test_swa_is_the_mean_of_the_ends_of_epochs() -> None:
    found = averaged(Component("swa", {"start": Length(7, "7 steps")}), 20, 4)
    ends = {8: [64], 12: [64, 144], 16: [64, 144, 256], 20: [64, 144, 256, 400]}
    assert found[:7] == [None] * 7
    for step in range(8, 21):
        assert found[step - 1] == pytest.approx(np.mean(ends[step - step % 4]))


def test_lookahead_leads_the_weights_that_train() -> None:
    """By hand, k = 3 and alpha = 0.25: each step adds 1 to the weight, from 8."""
    weight = parameter([8.0])
    stage: Any = type("Stage", (), {"average": Component("lookahead", {"k": 3, "alpha": 0.25}), "steps_per_epoch": 4})
    average, slow, fast = Average(stage, {"w": weight}, {}), [], []
    average.begin()
    for step in range(1, 8):
        weight.set_data(weight.data() + 1)
        average.update(step)
        slow.append(float(average.arrays["w"].asscalar()))
        fast.append(float(weight.data().asscalar()))
    assert fast == [9, 10, 8.75, 9.75, 10.75, 9.5, 10.5]
    assert slow == [8, 8, 8.75, 8.75, 8.75, 9.5, 9.5]


def test_an_average_stands_in_for_a_while() -> None:
    weight = parameter([1.0])
    stage: Any = type("Stage", (), {"average": Component("ema", {"decay": 0.5}), "steps_per_epoch": 1})
    average = Average(stage, {"w": weight}, {})
    with average.in_place():
        assert weight.data().asscalar() == 1  # it has not begun
    average.update(1)
    weight.set_data(nd.array([5.0]))
    with average.in_place():
        assert weight.data().asscalar() == 1
    assert weight.data().asscalar() == 5


def with_gradient(values: Any, gradient: Any) -> Any:
    made = parameter(values)
    made.grad()[:] = nd.array(gradient)
    return made


def test_l2_sp_pulls_towards_the_beginning() -> None:
    weight = with_gradient([1.0, 2.0], [0.5, 0.5])
    add_l2_sp([(weight, nd.array([1.0, 0.0]))], 0.1, 8)
    np.testing.assert_allclose(weight.grad().asnumpy(), [0.5, 0.5 + 8 * 0.1 * 2], rtol=1e-6)


def test_sam_goes_uphill_by_its_distance_and_comes_back() -> None:
    params = [with_gradient([1.0, 2.0], [3.0, 0.0]), with_gradient([[0.0]], [[4.0]])]
    with ascended(params, 0.5):
        np.testing.assert_allclose(params[0].data().asnumpy(), [1.3, 2.0], rtol=1e-6)
        np.testing.assert_allclose(params[1].data().asnumpy(), [[0.4]], rtol=1e-6)
    assert params[0].data().asnumpy().tolist() == [1, 2]
    assert params[1].data().asnumpy().tolist() == [[0]]


def test_gradients_add_up() -> None:
    param = with_gradient([0.0], [2.0])
    sums = add_up([param], [])
    param.grad()[:] = 5.0
    assert add_up([param], sums)[0].asscalar() == 7


# --- whole runs ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    for seed, (name, count) in enumerate({"train": 32, "valid": 8, "test": 2}.items()):
        make_images(root / name, dict.fromkeys(CLASSES, count), seed)
    return root


def trained(folder: Path, photos: Path, own: str = "", batch: int = 8, length: str = "2 epochs") -> dict[str, Any]:
    folder.mkdir()
    stages = STAGE.format(own=own, length=length)
    run(
        prepare(write_recipe(folder / "r.ftr", photos, stages, data=f"  batch = {batch}")),
        RunSettings(workers=0),
        folder / "run",
    )
    return dict(read_params(folder / "run" / "model.params"))


@pytest.fixture(scope="module")
def plain(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The weights that the stage gives as it is."""
    return trained(tmp_path_factory.mktemp("plain") / "1", photos)


def far(one: dict[str, Any], other: dict[str, Any]) -> float:
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


def test_accumulation_is_the_large_batch(photos: Path, plain: dict[str, Any], tmp_path: Path) -> None:
    large = trained(tmp_path / "large", photos, batch=32)
    summed = trained(tmp_path / "summed", photos, "accumulate = 4", batch=8)
    assert far(large, summed) < 1e-5
    assert far(large, plain) > 1e-4


def test_a_stage_hands_on_its_average(photos: Path, plain: dict[str, Any], tmp_path: Path) -> None:
    average = trained(tmp_path / "average", photos, "average = ema(0.9)")
    first, last = (trained(tmp_path / f"swa{n}", photos, f"average = swa(start = {n} steps)") for n in (0, 15))
    ends = [trained(tmp_path / "epoch", photos, length="1 epoch"), plain]
    assert far(plain, average) > 1e-5
    mean = {name: (ends[0][name] + ends[1][name]) / 2 for name in plain}
    assert far(first, mean) < 1e-6
    assert far(last, plain) < 1e-6  # one epoch alone is its own mean


def test_lookahead_hands_on_its_slow_weights_also_behind_an_interruption(photos: Path, tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", photos, "average = lookahead(k = 4, alpha = 0.5)", length="9 steps")
    ends = [trained(tmp_path / f"plain{n}", photos, length=f"{n} steps") for n in (4, 9)]
    assert far(whole, ends[1]) > 1e-5
    one = trained(tmp_path / "one", photos, "average = lookahead(k = 4, alpha = 1)", length="4 steps")
    assert far(one, ends[0]) < 1e-6  # all of the way is plain training

    def stop(event: object) -> None:
        if isinstance(event, StepFinished) and event.step == 6:
            raise Interrupted

    recipe, out = tmp_path / "whole" / "r.ftr", tmp_path / "parts"
    run(prepare(recipe), RunSettings(workers=0), out, observers=(stop,))
    run(prepare(recipe), RunSettings(workers=0), None, resume=Resume(out))
    assert (out / "model.params").read_bytes() == (tmp_path / "whole" / "run" / "model.params").read_bytes()


def test_an_interrupted_run_leaves_the_average(photos: Path, tmp_path: Path) -> None:
    def stop(event: object) -> None:
        if isinstance(event, StepFinished) and event.step == 7:
            raise Interrupted

    left: list[dict[str, Any]] = []
    for own in ("", "average = ema(0.9)"):
        recipe = write_recipe(tmp_path / "r.ftr", photos, STAGE.format(own=own, length="2 epochs"), data="  batch = 8")
        _, result = run(prepare(recipe), RunSettings(workers=0), tmp_path / f"run{len(left)}", observers=(stop,))
        left.append(dict(read_params(tmp_path / f"run{len(left)}" / "model.params")))
        assert result["status"] == "interrupted"
        assert result["weights"].startswith(f"the {'average of the ' if own else ''}weights after step")
    assert far(*left) > 1e-5


def test_distance_and_pull_change_what_is_learned(photos: Path, plain: dict[str, Any], tmp_path: Path) -> None:
    start = trained(tmp_path / "start", photos, length="1 step")
    pulled = trained(tmp_path / "pulled", photos, "l2_sp = 10")
    base = [name for name in plain if name.startswith("base") and name.endswith("weight")]
    moved, kept = (sum(np.abs(each[name] - start[name]).sum() for name in base) for each in (plain, pulled))
    assert kept < 0.93 * moved
    assert far(plain, trained(tmp_path / "sam", photos, "sam = 0.1")) > 1e-5
