"""Regression: metrics, losses and strata against other implementations, and whole runs from a table."""

from __future__ import annotations

import csv
import io
import json
import math
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Ftr
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from planned import net_facts
from scipy.stats import spearmanr
from sklearn import metrics as reference

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from runtime.backend.blocks import LossBlock
from runtime.backend.mx import autograd, nd
from runtime.compile.compiler import compile_plan
from runtime.compile.facts import DataFacts
from runtime.data.listing import Listing, Sample
from runtime.plan.types import Component
from runtime.tasks.protocol import evaluator_of
from runtime.tasks.regression import targets
from runtime.tasks.regression.losses import LOSSES
from runtime.tasks.regression.targets import NumberFacts
from runtime.tasks.regression.task import REGRESSION
from runtime.training.settings import RunSettings
from runtime.vocabulary import VOCABULARY
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run

FACTS = NumberFacts(("a", "b"), (10.0, -3.0), (2.0, 0.5))
HUBER = Component("huber", {"delta": 1.0})
ARGS: dict[str, dict[str, float]] = {"huber": {"delta": 0.7}, "l2": {}, "l1": {}}


def listing(*values: float) -> Listing:
    return Listing(tuple(Sample(f"{n:04}", (value,), Path(f"{n}.png")) for n, value in enumerate(values)), ("x",))


# --- metrics and losses -------------------------------------------------------------------------


def test_metrics_agree_with_scikit_learn_and_scipy() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(FACTS.target_mean, FACTS.target_std, (200, 2)).round(1)
    outputs = REGRESSION.collate(truth.tolist(), FACTS) + random.normal(0, 0.5, (200, 2))
    evaluator = evaluator_of(REGRESSION, FACTS, HUBER)
    for start in range(0, 200, 64):
        evaluator.update(
            outputs[start : start + 64].astype(np.float32),
            REGRESSION.collate(truth[start : start + 64].tolist(), FACTS),
        )
    report = evaluator.report()
    answers = outputs.astype(np.float32).astype(np.float64) * FACTS.target_std + np.array(FACTS.target_mean)
    for column, row in enumerate(report.targets):
        one, other = truth[:, column], answers[:, column]
        assert row.mae == pytest.approx(reference.mean_absolute_error(one, other), rel=1e-9)
        assert row.rmse == pytest.approx(math.sqrt(reference.mean_squared_error(one, other)), rel=1e-9)
        assert row.r2 == pytest.approx(reference.r2_score(one, other), rel=1e-9)
        assert row.spearman == pytest.approx(spearmanr(one, other).statistic, rel=1e-9)
        assert row.mean_error == pytest.approx(float(np.mean(other - one)), rel=1e-6)
    assert report.values["mae"] == pytest.approx(sum(row.mae for row in report.targets) / 2)
    assert sum(row.images for row in report.by_value if row.target == "a") == report.images == 200


def test_what_is_not_defined_is_nan_and_values_come_back_as_they_were() -> None:
    facts = NumberFacts(("p",), (1 / 3,), (0.47,))
    evaluator = evaluator_of(REGRESSION, facts, HUBER)
    evaluator.update(np.zeros((3, 1), np.float32), REGRESSION.collate([(0.0,)] * 3, facts))
    report = evaluator.report()
    assert math.isnan(report.values["r2"])
    assert math.isnan(report.values["spearman"])
    assert [(row.low, row.high) for row in report.by_value] == [(0.0, 0.0)]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.entry.name)
def test_a_loss_is_measured_as_it_is_trained(loss: Any) -> None:
    args = ARGS[loss.entry.name]
    random = np.random.default_rng(1)
    outputs, truth = (random.normal(0, 1.5, (30, 2)).astype(np.float32) for _ in range(2))
    block = LossBlock(loss.build(args))
    block.hybridize()
    values = nd.array(outputs)
    values.attach_grad()
    with autograd.record():
        trained = block(values, nd.array(truth))
    trained.backward()
    np.testing.assert_allclose(trained.asnumpy(), loss.measure(args, outputs, truth), rtol=1e-5)
    step = 1e-3
    for row, column in ((0, 0), (7, 1), (29, 0)):
        moved = outputs.astype(np.float64)
        moved[row, column] += step
        slope = (loss.measure(args, moved, truth)[row] - loss.measure(args, outputs, truth)[row]) / step
        assert values.grad.asnumpy()[row, column] == pytest.approx(slope, abs=2e-3)


def test_huber_is_half_the_square_and_then_the_distance() -> None:
    (huber,) = (loss for loss in LOSSES if loss.entry.name == "huber")
    errors = np.array([[0.5], [-3.0]], np.float32)
    found = huber.measure({"delta": 2.0}, errors, np.zeros((2, 1)))
    assert found.tolist() == pytest.approx([0.125, 2 * (3 - 1)])


# --- targets ------------------------------------------------------------------------------------


def test_strata_are_tenths_and_equal_numbers_share_one() -> None:
    assert Counter(targets.strata(listing(*range(100))).values()) == dict.fromkeys(range(10), 10)
    four = targets.strata(listing(*[0.0] * 1508, *[1 / 3] * 295, *[2 / 3] * 106, *[1.0] * 715))
    assert sorted(Counter(four.values()).values()) == [106, 295, 715, 1508]
    assert set(targets.strata(listing(5.0, 1.0, 3.0)).values()) == {0}


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60).filter(lambda values: len(set(values)) > 1), st.randoms()
)
def test_facts_do_not_depend_on_the_order(values: list[float], random: Any) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)
    one, other = (targets.facts({"train": listing(*each)}) for each in (values, shuffled))
    assert (one.target_mean, one.target_std) == (other.target_mean, other.target_std)
    assert one.target_mean[0] == pytest.approx(np.mean(values), abs=1e-6)
    assert one.target_std[0] == pytest.approx(np.std(values), rel=1e-6, abs=1e-9)


def test_a_number_that_does_not_vary_and_other_columns_are_refused() -> None:
    assert [each.code for each in targets.constant({"train": listing(3.0, 3.0)})] == ["E519"]
    assert [each.code for each in targets.constant({"train": listing(1e308, -1e308)})] == ["E519"]
    assert targets.constant({"train": listing(3.0, 3.5)}) == []
    with pytest.raises(RecipeError) as caught:
        targets.align(listing(1.0), ("x", "y"), "test")
    assert [each.code for each in caught.value.problems] == ["E518"]


@pytest.mark.parametrize(
    "plain",
    [
        *([], {}, {"targets": ["a"], "mean": [0.0]}, {"targets": ["a"], "mean": [0.0], "std": [0.0]}),
        *({"targets": [1], "mean": [0.0], "std": [1.0]}, {"targets": ["a"], "mean": [True], "std": [1.0]}),
        *({"targets": ["a"], "mean": [float("nan")], "std": [1.0]}, {"targets": [], "mean": [], "std": []}),
        *({"targets": ["a", "b"], "mean": [0.0], "std": [1.0]}, {"targets": "a", "mean": [0.0], "std": [1.0]}),
    ],
)
def test_a_file_of_targets_that_is_none_is_refused(plain: Any) -> None:
    with pytest.raises(ValueError, match=r"`targets\.json` is not names"):
        targets.read(plain)


def test_a_file_of_targets_comes_back() -> None:
    found = targets.read(json.loads(json.dumps(FACTS.as_file())))
    assert (found.targets, found.target_mean, found.target_std) == (FACTS.targets, FACTS.target_mean, FACTS.target_std)


# --- whole runs ---------------------------------------------------------------------------------

RECIPE = """ftr 1
task = regression
data {
  train = csv("all.csv", image = "file", target = TARGET)
  valid = holdout(20%)
  test  = holdout(20%)
  size  = 32px
  batch = 16
}
base = gluoncv("cifar_resnet20_v1", weights = none)
stage "a" {
  train     = base.block3 .. head
  for       = 6 epochs
  optimizer = adam(lr = 5e-3)
  monitor   = valid.mae
  norm      = train
}
expect {
  test.mae <= 60
}
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plain images; `red` and `blue` are the means of their channels, 0 to 255."""
    root = tmp_path_factory.mktemp("colours")
    random = np.random.default_rng(0)
    rows = []
    for number in range(120):
        red, blue = random.integers(0, 256, 2)
        noise = random.integers(-20, 21, (32, 32, 3))
        pixels = np.clip(np.array([red, 128, blue]) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(root / f"{number}.png")
        rows.append((f"{number}.png", int(red), f"{blue / 1000:.4e}"))
    with (root / "all.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "red", "blue"), *rows])
    return root


def recipe_of(table: Path, target: str = '"red"') -> Path:
    path = table / f"{target.strip('[]').replace(', ', '-')}.ftr".replace('"', "")
    path.write_text(RECIPE.replace("TARGET", target))
    return path


@pytest.fixture(scope="module")
def trained(table: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("runs") / "red-1"
    return run(prepare(recipe_of(table)), RunSettings(workers=0), folder)


def test_a_run_learns_a_column(trained: tuple[Path, dict[str, Any]]) -> None:
    folder, result = trained
    assert result["task"] == "regression"
    assert result["test"]["mae"] < 45  # a constant has 64
    assert result["test"]["mae"] == result["test"]["targets"][0]["mae"]
    plan = json.loads((folder / "plan.json").read_text())
    assert plan["data"]["targets"] == ["red"]
    assert json.loads((folder / "targets.json").read_text())["mean"] == plan["data"]["target_mean"]
    assert not (folder / "classes.json").exists()


def test_evaluate_and_predict_give_the_units_of_the_data(
    trained: tuple[Path, dict[str, Any]], table: Path, ftr: Ftr
) -> None:
    folder, result = trained
    found = json.loads(ftr("evaluate", folder, "--json").out)
    assert found["mae"] == result["test"]["mae"]
    assert sum(row["images"] for row in found["by_value"]) == result["images"]["test"]
    shown = ftr("evaluate", folder).out
    assert "by target" in shown
    assert "red, by true value" in shown
    rows = json.loads(ftr("predict", folder, table / "3.png", "--json").out)
    (value,) = rows[0]["values"]
    assert value["name"] == "red"
    assert -60 < value["value"] < 320
    (table / "bad.jpg").write_bytes(b"no image")
    text = ftr("predict", folder, table / "3.png", table / "bad.jpg", "--csv").out
    header, good, bad = csv.reader(io.StringIO(text))
    assert header == ["image", "red", "error"]
    assert float(good[1]) == pytest.approx(value["value"], rel=1e-5)
    assert (bad[1], bool(bad[2])) == ("", True)
    assert ftr("predict", folder, table / "3.png", "--top", "2").code == 2
    told = ftr("predict", folder, table / "3.png", "--threshold", "0.5")
    assert (told.code, "--threshold is for objects; the task of this run is regression" in told.err) == (2, True)


def test_other_data_is_a_source_of_numbers(trained: tuple[Path, dict[str, Any]], table: Path, ftr: Ftr) -> None:
    folder, _ = trained
    source = f'csv("{table}/all.csv", image = "file", target = "red")'
    assert json.loads(ftr("evaluate", folder, "--data", source, "--json").out)["mae"] > 0
    told = ftr("evaluate", folder, "--data", str(table)).err  # of a run the task is settled
    assert (told.count("error[E433]"), "help: name a source of numbers" in told, "write `task" in told) == (
        1,
        True,
        False,
    )
    two = f'csv("{table}/all.csv", image = "file", target = ["red", "blue"])'
    assert "E518" in ftr("evaluate", folder, "--data", two).err


def test_an_exported_model_gives_the_units_of_the_data(
    trained: tuple[Path, dict[str, Any]], table: Path, tmp_path: Path, ftr: Ftr
) -> None:
    from runtime.backend.mx import gluon, mx
    from runtime.data.images import open_rgb
    from runtime.data.sets import to_input
    from runtime.runs.trained import load

    folder, _ = trained
    told = ftr("export", folder, "--out", tmp_path / "m")
    assert "output: red, in the units of the data" in told.out
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MXNet's own: it infers the type of the input later
        block = gluon.SymbolBlock.imports(f"{tmp_path}/m-symbol.json", ["data"], f"{tmp_path}/m-0000.params")
    data = load(folder).data
    pixels = np.asarray(open_rgb(table / "3.png").resize((32, 32)))[None]
    found = float(block(to_input(pixels, data.mean, data.std, mx.cpu())).asnumpy()[0, 0])
    (row,) = json.loads(ftr("predict", folder, table / "3.png", "--json").out)
    assert found == pytest.approx(row["values"][0]["value"], rel=1e-4, abs=1e-3)


def test_a_pack_predicts_elsewhere_and_a_lock_verifies(
    trained: tuple[Path, dict[str, Any]], table: Path, tmp_path: Path, ftr: Ftr
) -> None:
    folder, _ = trained
    pack = tmp_path / "red.ftrpack"
    assert ftr("pack", folder, "-o", pack).code == 0
    assert ftr("predict", pack, table / "3.png", "--json").out == ftr("predict", folder, table / "3.png", "--json").out
    assert ftr("unpack", pack, "-o", tmp_path / "again").code == 0
    card = (tmp_path / "again" / "README.md").read_text()
    assert "Predicts a number for each image." in card
    assert "1. red" in card
    assert ftr("verify", folder, "--quiet").out.startswith("identical")


def test_several_targets_are_learned_at_once(table: Path, tmp_path: Path) -> None:
    folder, result = run(prepare(recipe_of(table, '["red", "blue"]')), RunSettings(workers=0), tmp_path / "r")
    red, blue = result["test"]["targets"]
    assert (red["name"], blue["name"]) == ("red", "blue")
    assert red["mae"] < 64
    assert blue["mae"] < 0.064  # of 0 to 0.255
    assert result["targets"] == ["red", "blue"]
    assert {each.name for each in folder.iterdir()} >= {"targets.json", "model.params"}


def test_one_changed_digit_is_refused(table: Path, tmp_path: Path, ftr: Ftr) -> None:
    recipe = recipe_of(table)
    text = (table / "all.csv").read_text()
    lock = ftr("lock", recipe)
    assert lock.code == 0, lock.err
    try:
        (table / "all.csv").write_text(
            text.replace(",0.", ",0.1", 1) if ",0." in text else text.replace("0.png,", "0.png,1", 1)
        )
        found = ftr("run", recipe, "--locked", "--out", tmp_path / "x")
        assert found.code != 0
        assert "data" in found.err
    finally:
        (table / "all.csv").write_text(text)


def test_a_new_recipe_for_a_column_of_numbers(table: Path, ftr: Ftr) -> None:
    made = table / "made.ftr"
    found = ftr("new", table / "all.csv", "--out", made)
    assert found.code == 0
    assert "The numbers are those of column `red`; other columns could be meant: `blue`." in found.err
    assert ftr("check", made).code == 0
    assert ftr("plan", made).code == 0


def test_data_check_knows_no_classes(table: Path, ftr: Ftr) -> None:
    recipe = recipe_of(table)
    found = json.loads(ftr("data", "check", recipe, "--json").out)
    assert set(found["images"]["train"]) == {"images"}
    assert "labels" not in found["found"]
    assert ftr("data", "check", recipe).out.startswith("120 images with 1 target: train ")
    assert ftr("data", "check", recipe, "--labels").code == 2


@pytest.mark.parametrize(
    ("cell", "hint"),
    [
        ("n/a", "complete or remove"),
        ("3,5", "decimal point: 3.5"),
        ("nan", "complete"),
        ("1_000", "complete"),
        ("inf", "complete"),
    ],
)
def test_a_cell_that_is_no_number_is_refused_with_its_line(table: Path, cell: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / "all.csv").write_text(f'file,red\n{table}/1.png,3\n{table}/2.png,"{cell}"\n')
    path = tmp_path / "r.ftr"
    path.write_text(RECIPE.replace("TARGET", '"red"'))
    with pytest.raises(RecipeError) as caught:
        prepare(path)
    (problem,) = caught.value.problems
    assert problem.code == "E509"
    assert "line 3" in problem.message()
    assert hint in problem.help()


@pytest.mark.parametrize(
    ("deviations", "metric", "advice"),
    [
        ((1.0, 10.0), "mae", ["W748"]),
        ((10.0, 1.0, 3.0), "rmse", ["W748"]),
        ((1.0, 9.9), "mae", []),
        ((1.0, 10.0), "r2", []),  # without units
        ((1.0, 10.0), "loss", []),  # of standardized targets
        ((10.0,), "mae", []),
    ],
)
def test_errors_are_no_mean_over_units(deviations: tuple[float, ...], metric: str, advice: list[str]) -> None:
    names = tuple("abc"[: len(deviations)])
    zeros, counts = (0.0,) * len(names), {"train": (800,), "valid": (400,)}
    data = DataFacts(NumberFacts(names, zeros, deviations, ((-99.0, 99.0),) * len(names), counts))
    listed = ", ".join(f'"{name}"' for name in names)
    text = f"""ftr 1
task = regression
data {{
  train = csv("t.csv", image = "file", target = [{listed}])
}}
base = gluon("resnet18_v2")
stage "head" {{
  train = head
  for = 3 epochs
  monitor = valid.{metric}
}}
"""
    recipe = check(parse(Source("r.ftr", text)), VOCABULARY)
    found = REGRESSION.advice(recipe, compile_plan(recipe, data, net_facts(4)))
    assert [problem.code for problem in found] == advice
