"""A run that adds classes to the head of an earlier one: what is kept, what is measured, what goes on without it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from toy import make_images, train, write_recipe

from recipe_lang.problem import RecipeError
from runtime.backend.mx import mx, nd
from runtime.models.network import start_weights
from runtime.runs.evaluation import evaluate
from runtime.runs.lock.file import LOCK, read_lock
from runtime.runs.pack.pack import pack_run
from runtime.runs.prediction import predict
from runtime.runs.resume import Resume
from runtime.runs.trained import load
from runtime.training.events import StepFinished
from runtime.training.gradients import add_l2_sp
from runtime.training.settings import RunSettings
from runtime.training.stage import Session, stage_net
from runtime.weights.params_file import read_params
from runtime.workflows.preparation import Prepared, prepare
from runtime.workflows.run import run
from runtime.workflows.verify import compare

EXTENDED = 'run("runs/parent", head = extended)'
HEAD = "[dense(8), relu, dense(classes)]"
STAGE = '\nstage "head" {\n  train = head\n  for = 8 steps\n  l2_sp = 0.1\n}\n'
CLAIMS = "\nexpect {\n  old.accuracy >= 0%\n  new.balanced_accuracy >= 0%\n}\n"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of two classes, a run on them, photos of three and of the third alone, and a run that adds it."""
    root = tmp_path_factory.mktemp("house")
    for number, name in enumerate(("train", "valid", "test")):
        make_images(root / "two" / name, {"green": 8, "red": 8}, number)
        make_images(root / "three" / name, {"blue": 8, "green": 4, "red": 8}, number)
        make_images(root / "one" / name, {"blue": 8} if name == "train" else {"blue": 8, "green": 8}, number)
    train(
        write_recipe(root / "parent.ftr", root / "two", head="[dense(8), relu, dense(classes)]"), root / "runs/parent"
    )
    train(_child(root, "child", "three", CLAIMS), root / "runs/child")
    return root


def _child(root: Path, name: str, photos: str, more: str = "", base: str = EXTENDED, data: str = "batch = 4") -> Path:
    path = write_recipe(root / f"{name}.ftr", root / photos, STAGE + more, base=base, head="", data=data)
    path.write_text(path.read_text().replace("head = \n", ""))
    return path


def _started(path: Path) -> tuple[Prepared, dict[str, np.ndarray]]:
    prepared = prepare(path)
    start_weights(prepared.model, prepared.plan.base, 0, mx.cpu())
    return prepared, prepared.model.arrays()


def test_known_classes_keep_their_rows_and_new_ones_begin_as_their_mean(house: Path) -> None:
    parent = read_params(house / "runs/parent/model.params")
    prepared, now = _started(house / "child.ftr")
    assert prepared.plan.data.target.names == ("green", "red", "blue")
    for name in ("head.3.weight", "head.3.bias"):
        assert np.array_equal(now[name][:2], parent[name])
        np.testing.assert_allclose(now[name][2], parent[name].mean(axis=0), rtol=1e-6)
    others = [name for name in parent if name not in ("head.3.weight", "head.3.bias")]
    assert all(np.array_equal(now[name], parent[name]) for name in others)
    assert "2 classes of its head kept, 1 new" in prepared.plan.stages[0].starts_from


def test_before_the_first_step_it_answers_as_the_run_before(house: Path) -> None:
    prepared, _ = _started(house / "child.ftr")
    noise = nd.array(np.random.default_rng(0).normal(size=(64, 3, 32, 32)))
    scores = prepared.model.net(noise).asnumpy()
    assert set(scores.argmax(axis=1)) <= {0, 1}
    np.testing.assert_allclose(scores[:, 2], scores[:, :2].mean(axis=1), rtol=1e-4, atol=1e-4)


def test_classes_without_images_are_kept_and_it_is_said(house: Path) -> None:
    prepared = prepare(_child(house, "alone", "one", CLAIMS))
    assert prepared.plan.data.target.names == ("green", "red", "blue")
    assert dict(prepared.plan.data.target.counts) == {"train": (0, 0, 8), "valid": (8, 0, 8), "test": (8, 0, 8)}
    (told,) = [each for each in prepared.advice if each.code == "W766"]
    assert "`green` and `red` are kept" in told.message()
    assert prepared.plan.data.target.brief() == " (1 class of 8, 2 kept without images)"
    train(house / "alone.ftr", house / "runs/alone")
    result = json.loads((house / "runs/alone/result.json").read_text())
    assert result["test"]["old"]["images"] == result["test"]["new"]["images"] == 8
    adjusted = prepare(_child(house, "adjusted", "one", "loss = logit_adjusted"))
    assert "W766" not in [each.code for each in adjusted.advice]


def test_parts_are_measured_claimed_and_set_beside_the_run_before(house: Path) -> None:
    result, before = (json.loads((house / "runs" / name / "result.json").read_text()) for name in ("child", "parent"))
    rows = {row["name"]: row for row in result["test"]["classes"]}
    right = {name: row["recall"] * row["support"] for name, row in rows.items()}
    assert result["test"]["old"]["accuracy"] == pytest.approx((right["green"] + right["red"]) / 12)
    assert result["test"]["old"]["balanced_accuracy"] == pytest.approx((right["green"] / 4 + right["red"] / 8) / 2)
    assert result["test"]["new"]["accuracy"] == pytest.approx(right["blue"] / 8)
    assert {each["claim"]: each["holds"] for each in result["expect"]} == {
        "old.accuracy >= 0": True,
        "new.balanced_accuracy >= 0": True,
    }
    assert result["base"]["reached"] == {"set": "test", "accuracy": before["test"]["accuracy"], "images": 16}


def test_it_goes_on_to_the_same_bits_and_verifies(house: Path, tmp_path: Path) -> None:
    events: list[object] = []

    def should_stop() -> bool:
        return sum(isinstance(event, StepFinished) for event in events) == 2

    folder, result = run(
        prepare(house / "child.ftr"),
        RunSettings(workers=0),
        tmp_path / "cut",
        observers=(events.append,),
        should_stop=should_stop,
    )
    assert result["status"] == "interrupted"
    run(prepare(house / "child.ftr"), RunSettings(workers=0), resume=Resume(folder))
    assert (folder / "model.params").read_bytes() == (house / "runs/child/model.params").read_bytes()
    facts = read_lock(house / "runs/child" / LOCK).facts
    assert str(facts["weights", "classes"]).startswith("2, ")
    assert compare(facts, read_lock(folder / LOCK).facts).text.startswith("identical")


def test_it_needs_the_run_before_no_more(house: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(house / "runs/child", tmp_path / "alone")
    pack, _ = pack_run(folder, tmp_path / "alone.ftrpack")
    result = json.loads((folder / "result.json").read_text())
    away = house / "runs/parent"
    away.rename(tmp_path / "parent")
    try:
        for path in (folder, pack):
            found = load(path)
            assert [name for name, _ in next(iter(predict(found, [house / "three/test/red/0.jpg"], mx.cpu()))).classes]
            report = evaluate(found, mx.cpu(), 0).report
            assert report.values["accuracy"] == result["test"]["accuracy"]
            assert report.in_result()["old"] == result["test"]["old"]
    finally:
        (tmp_path / "parent").rename(away)


def test_l2_sp_pulls_what_is_known_alone(house: Path) -> None:
    prepared, before = _started(house / "child.ftr")
    session = Session(prepared.plan, None, prepared.model, _Sets(prepared), mx.cpu())  # type: ignore[arg-type]
    features = session.features()
    net = stage_net(session, prepared.plan.stages[0], features)
    features.close()
    weight = net.trained["head.3.weight"]
    weight.set_data(weight.data() + 1)
    weight.grad()[:] = 0
    add_l2_sp([(weight, net.began_with["head.3.weight"])], 0.5, 4)
    expected = np.zeros_like(before["head.3.weight"])
    expected[:2] = 2
    np.testing.assert_allclose(weight.grad().asnumpy(), expected, rtol=1e-5)
    assert net.began_with["head.1.weight"].shape == before["head.1.weight"].shape


class _Sets:
    """As much of sets as a stage's network asks for."""

    def __init__(self, prepared: Prepared) -> None:
        self.plan = prepared.plan.data
        self.samples = {name: listing.samples for name, listing in prepared.listings.items()}

    def inputs(self, images: object, context: object) -> object:
        raise AssertionError


def test_decisions_do_not_carry_over_silently(house: Path, tmp_path: Path) -> None:
    root = shutil.copytree(house, tmp_path / "copy")
    path = root / "runs/parent/result.json"
    result = json.loads(path.read_text())
    result["valid"] |= {"threshold": 0.25, "temperature": 1.5}
    path.write_text(json.dumps(result))
    (told,) = [each for each in prepare(_child(root, "told", "three")).advice if each.code == "W767"]
    assert "a threshold of 0.25 and a temperature of 1.5, which this run does not take over" in told.message()


def test_what_cannot_be_extended_or_claimed(house: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        prepare(_child(house, "nothing", "two", CLAIMS))
    assert [each.code for each in caught.value.problems] == ["E612"]
    root = shutil.copytree(house, tmp_path / "copy")
    for content, said in {"{}": "is not a list of classes", None: "it has no `classes.json`"}.items():
        path = root / "runs/parent/classes.json"
        path.unlink()
        if content:
            path.write_text(content)
        with pytest.raises(RecipeError, match=said):
            prepare(_child(root, "wrong", "three"))
        path.write_text(json.dumps(["green"]))
    with pytest.raises(RecipeError) as caught:  # another number of classes than its weights have
        _started(_child(root, "wrong", "three"))
    assert "head.3.weight" in str(caught.value)
