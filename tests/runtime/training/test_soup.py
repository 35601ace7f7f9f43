"""Greedy soup: the choice worked out by hand, and what a run hands on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy import metrics, train, write_recipe

from runtime.runs.resume import Resume
from runtime.training.events import EvaluationStarted
from runtime.training.settings import RunSettings
from runtime.training.soup import Soup, greedy, ranked
from runtime.training.stage import Interrupted
from runtime.training.state import Best
from runtime.weights.params_file import read_params
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run

NAN = float("nan")


def cooked(ingredients: Sequence[Best], given: Sequence[float]) -> tuple[list[float], Soup]:
    """Return the weights that were asked for, and the soup; `given` are the accuracies in the order of asking."""
    making, asked, left = greedy(ingredients, lambda value, than: value != value or value < than), [], list(given)
    try:
        trial = next(making)
        while True:
            asked.append(trial["w"])
            trial = making.send(left.pop(0))
    except StopIteration as end:
        return asked, end.value


def test_the_recipe_of_the_paper_by_hand() -> None:
    """The second is taken (as good), the third not (worse), the fourth is (better), the fifth is no number."""
    weights = {3: 1.0, 2: 3.0, 5: 100.0, 1: 8.0, 4: 50.0}
    best = [Best(0.9 - place / 100, epoch, 10, {"w": w}) for place, (epoch, w) in enumerate(weights.items())]
    asked, soup = cooked(best, [0.9, 0.89, 0.95, NAN])
    assert asked == [2.0, 104 / 3, 4.0, 62 / 4]
    assert soup == Soup((3, 2, 1), {"w": 4.0}, 0.95)


def test_the_best_alone_is_a_soup_too() -> None:
    assert cooked([Best(0.9, 4, 10, {"w": 1.0}), Best(0.8, 3, 9, {"w": 2.0})], [0.1])[1] == Soup((4,), {"w": 1.0}, 0.9)


def test_the_best_epochs_are_ranked_by_the_metric() -> None:
    every = [Best(value, epoch, 0, {}) for epoch, value in enumerate([0.3, NAN, 0.9, 0.3, 0.5], 1)]
    assert [each.epoch for each in ranked(every, True, 3)] == [3, 5, 1]
    assert [each.epoch for each in ranked(every, False, 3)] == [1, 4, 5]


STAGE = """
stage "all" {
  train     = base.block3 .. head
  for       = LENGTH epochs
  optimizer = sgd(lr = 1e-2)
  schedule  = constant
  monitor   = valid.accuracy
  keep      = KEEP
}
"""


def test_a_stage_hands_on_its_soup_also_behind_an_interruption(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.runs.writer.export_model", lambda *_: None)

    def recipe(keep: str, length: int) -> Path:
        name = f"{keep[:4]}{length}"
        return write_recipe(
            tmp_path / f"{name}.ftr", photos, STAGE.replace("KEEP", keep).replace("LENGTH", str(length))
        )

    def weights(folder: str) -> dict[str, Any]:
        return dict(read_params(tmp_path / folder / "model.params"))

    result = train(recipe("greedy_soup(2)", 3), tmp_path / "soup")
    values = {line["epoch"]: line["accuracy"] for line in metrics(tmp_path / "soup") if line["event"] == "evaluated"}
    first, second = sorted(values, key=lambda epoch: (-values[epoch], epoch))[:2]
    for epoch in (first, second):
        train(recipe("last", epoch), tmp_path / f"epoch{epoch}")
    kept, found = result["stages"][0]["kept"], weights("soup")
    one, other = weights(f"epoch{first}"), weights(f"epoch{second}")
    assert kept.startswith(f"the mean of epochs {first} and {second} (")
    assert result["valid"]["accuracy"] >= values[first]
    expected = {name: (one[name] + other[name]) / 2 for name in one}
    assert all(np.allclose(found[name], expected[name], rtol=1e-5, atol=1e-6) for name in expected)
    assert any(not np.array_equal(one[name], other[name]) for name in one)

    def stop(event: Any) -> None:
        nonlocal seen
        if isinstance(event, EvaluationStarted) and event.set == "valid":
            seen += 1
            if seen in (2, 5):  # in the middle, and while the soup is measured
                raise Interrupted

    seen = 0
    path, out = recipe("greedy_soup(2)", 3), tmp_path / "parts"
    run(prepare(path), RunSettings(workers=0), out, observers=(stop,))
    run(prepare(path), RunSettings(workers=0), None, resume=Resume(out), observers=(stop,))
    run(prepare(path), RunSettings(workers=0), None, resume=Resume(out))
    for name in ("model.params", "metrics.jsonl"):
        assert (out / name).read_bytes() == (tmp_path / "soup" / name).read_bytes(), name
