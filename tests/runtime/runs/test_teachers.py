"""Runs that learn from a teacher: what it sees, that it is cached to the same bits, and which teachers are refused."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packs import pack_run
from resumed import go_on, result_left, stopped
from toy import CLASSES, TINY, make_images, train, write_recipe

from recipe_lang.problem import RecipeError
from runtime.backend.mx import mx
from runtime.features.teacher import resized
from runtime.plan.size import Size
from runtime.plan.types import as_json
from runtime.reporting.plan import changes, later_phases, taught_otherwise, teacher_text, teaching
from runtime.runs.lock.file import LOCK, read_lock
from runtime.runs.prediction import predict
from runtime.runs.resume import check_unchanged
from runtime.runs.trained import load
from runtime.training.events import FeaturesComputed, StepFinished
from runtime.training.settings import RunSettings
from runtime.weights.params_file import sha256_of
from runtime.workflows.cost import probe as probing
from runtime.workflows.cost.duration import RunTimes
from runtime.workflows.cost.probe import _paces as measured
from runtime.workflows.cost.probe import probe
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run
from runtime.workflows.verify import subject

ALL = '\nstage "all" {\n  train = all\n  for   = 2 epochs\n}\n'
HEAD = '\nstage "head" {\n  train = head\n  for   = 3 epochs\n}\n'
LIGHT = "  prepare = [normalize(mean = [0.5, 0.5, 0.5], std = [0.25, 0.25, 0.25])]"
FLIPS, CROPS = "  augment = [flip]", "  augment = [random_crop(32px, padding = 4px), flip, mixup, cutmix]"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos, a teacher and one whose images are larger, and the pack of the first."""
    root = tmp_path_factory.mktemp("house")
    for number, name in enumerate(("train", "valid", "test")):
        make_images(root / "photos" / name, dict.fromkeys(CLASSES, 8), number)
    train(write_recipe(root / "big.ftr", root / "photos", HEAD, data=LIGHT), root / "runs" / "big")
    large = write_recipe(root / "large.ftr", root / "photos", HEAD, data="  size = 40px", top="seed = 4")
    train(large, root / "runs" / "large")
    pack_run(root / "runs/big", root / "big.ftrpack")
    return root


def _taught(
    root: Path, name: str = "small", teacher: str = 'run("runs/big")', loss: str = "distillation", **more: Any
) -> Path:
    top = f"teacher = {teacher}\nloss = {loss}"
    return write_recipe(root / f"{name}.ftr", root / "photos", more.pop("stages", HEAD), top=top, **more)


def _weights(recipe: Path, out: Path, **settings: Any) -> tuple[bytes, list[Any]]:
    events: list[Any] = []
    run(prepare(recipe), RunSettings(workers=0, **settings), out, observers=(events.append,))
    return (out / "model.params").read_bytes(), events


def _losses(recipe: Path, out: Path) -> list[float]:
    return [event.loss for event in _weights(recipe, out)[1] if isinstance(event, StepFinished)]


def test_the_teacher_sees_the_pixels_that_the_network_sees(house: Path, tmp_path: Path) -> None:
    """A network that is its teacher has nothing to learn from it, however its images are cropped and mixed."""
    stage = HEAD.replace("3 epochs", "2 epochs\n  optimizer = sgd(lr = 1e-9)")
    own = {"base": 'run("runs/big", head = kept)', "loss": "distillation(weight = 1, temperature = 1)"}
    path = _taught(house, "own", stages=stage, data=CROPS, head="", **own)
    path.write_text(path.read_text().replace("head = \n", ""))
    assert max(_losses(path, tmp_path / "own")) < 1e-5


@pytest.mark.parametrize("stages", [HEAD, ALL], ids=["frozen", "all"])
def test_what_is_cached_of_the_teacher_is_what_it_would_say(house: Path, tmp_path: Path, stages: str) -> None:
    """It is asked once for each image and view, as the frozen part is, also where nothing else is kept."""
    recipe = _taught(house, "cached", stages=stages, data=FLIPS, teacher='run("runs/large")')  # at its own size
    kept, events = _weights(recipe, tmp_path / "kept")
    assert kept == _weights(recipe, tmp_path / "live", cache=False)[0]
    assert [event for event in events if isinstance(event, FeaturesComputed) and event.done == event.total]
    if stages == HEAD:
        stopped(recipe, tmp_path / "cut", 3, stage=0)
        go_on(recipe, tmp_path / "cut")
        assert result_left(tmp_path / "cut") == result_left(tmp_path / "kept")


def test_a_run_whose_teacher_sees_each_batch_resumes_to_the_same_bits(house: Path, tmp_path: Path) -> None:
    recipe = _taught(house, "live", data=CROPS, teacher='run("runs/large")')
    train(recipe, tmp_path / "whole")
    stopped(recipe, tmp_path / "cut", 3, stage=0)
    go_on(recipe, tmp_path / "cut")
    assert result_left(tmp_path / "cut") == result_left(tmp_path / "whole")


def test_another_teacher_is_refused(house: Path, tmp_path: Path) -> None:
    """One that lies elsewhere is not."""
    root = shutil.copytree(house, tmp_path / "copy")
    recipe, out = _taught(root), root / "runs/small"
    stopped(recipe, out, 3, stage=0)
    facts = read_lock(out / LOCK).facts
    assert facts["teacher", "sha256"] == sha256_of(root / "runs/big/model.params")
    assert facts["teacher", "recipe"] == read_lock(root / "runs/big" / LOCK).facts["recipe", "hash"]
    shutil.move(root / "runs/big", root / "moved/big")
    shutil.copytree(root / "runs/large", root / "runs/big")
    with pytest.raises(RecipeError) as caught:
        go_on(recipe, out)
    assert {problem.code for problem in caught.value.problems} == {"E561"}
    assert any("teacher.sha256" in problem.message() for problem in caught.value.problems)
    assert go_on(_taught(root, teacher='run("moved/big")'), out)["status"] == "finished"
    assert "teacher" in subject(out, read_lock(out / LOCK), None).sections


def test_plans_of_an_earlier_release_have_no_teacher(house: Path, tmp_path: Path) -> None:
    plain = write_recipe(house / "plain.ftr", house / "photos", HEAD)
    old = as_json(prepare(plain).plan)
    assert old.pop("teacher", "") is None
    (tmp_path / "plan.json").write_text(json.dumps(old))
    check_unchanged(tmp_path, prepare(plain).plan, None, False)
    with pytest.raises(RecipeError):
        check_unchanged(tmp_path, prepare(_taught(house)).plan, None, False)


def test_a_teacher_of_more_classes_or_in_another_order_is_mapped_by_name(house: Path, tmp_path: Path) -> None:
    for name in ("train", "valid", "test"):
        make_images(tmp_path / "photos" / name, {"blue": 12, "red": 12})
    big = house / "runs/big"
    taught = prepare(_taught(tmp_path, teacher=f'pack("{house / "big.ftrpack"}")'))
    assert taught.teacher is not None
    assert taught.teacher.plan.outputs == (0, 2)
    assert "2 outputs of it, matched by name" in teacher_text(taught.teacher.plan)
    assert prepare(_taught(house)).teacher.plan.outputs is None  # type: ignore[union-attr]

    two = write_recipe(tmp_path / "two.ftr", tmp_path / "photos", HEAD)
    train(two, tmp_path / "runs/two")
    with pytest.raises(RecipeError) as caught:
        prepare(_taught(house, "wrong", teacher=f'run("{tmp_path / "runs/two"}")'))
    (problem,) = caught.value.problems
    assert (problem.code, problem.span is not None) == ("E611", True)
    said = "it does not know `green`; its classes are `blue` and `red`, those of this recipe `blue`, `green` and `red`"
    assert said in problem.message()
    assert big.is_dir()


def test_the_mapped_outputs_are_those_of_the_classes(house: Path, tmp_path: Path) -> None:
    """The soft targets that a stage gets are the columns of the teacher's own outputs, image for image."""
    from contextlib import closing

    from runtime.features.teacher import teacher_features, teacher_outputs
    from runtime.training.stage import whole_net

    for name in ("train", "valid", "test"):
        make_images(tmp_path / "photos" / name, {"green": 12, "red": 12})
    prepared = prepare(_taught(tmp_path, teacher=f'run("{house / "runs/large"}")'))
    teacher, images = prepared.teacher, np.random.default_rng(0).integers(0, 255, (16, 32, 32, 3), np.uint8)
    assert teacher is not None
    features = teacher_features(teacher, prepared.plan.data, mx.cpu(), fuse=True, keep=True, cache=None)
    with closing(features):
        found = teacher_outputs(features, teacher.plan, (), Size(32, 32), 48).live(images).asnumpy()
    own = load(house / "runs/large")
    pixels = resized(images, Size(40, 40)).transpose(0, 3, 1, 2) / 255.0
    mean, std = (np.array(each)[:, None, None] for each in (own.data.mean, own.data.std))
    expected = whole_net(own.model)(mx.nd.array((pixels - mean) / std)).asnumpy()
    np.testing.assert_allclose(found, expected[:, 1:], rtol=1e-3, atol=1e-4)


def test_what_cannot_teach_is_refused(house: Path, tmp_path: Path) -> None:
    tags = tmp_path / "tags.ftr"
    rows = [f"{path},{path.parent.name}" for path in sorted((house / "photos/train").rglob("*.jpg"))]
    (tmp_path / "tags.csv").write_text("\n".join(["file,label", *rows]))
    source = 'csv("tags.csv", image = "file", labels = "label")'
    tags.write_text(
        f"ftr 1\ntask = multi_label\ndata {{\n  train = {source}\n  size = 32px\n  batch = 8\n}}\nbase = {TINY}\n{HEAD}"
    )
    train(tags, tmp_path / "runs/tags")
    cases = {
        f'run("{tmp_path / "runs/tags"}")': ("E610", "it is a run of `task = multi_label`"),
        'run("runs/none")': ("E605", "there is no such folder"),
        'run("photos")': ("E605", "it has no `resolved.ftr`"),
    }
    for teacher, (code, said) in cases.items():
        with pytest.raises(RecipeError) as caught:
            prepare(_taught(house, teacher=teacher))
        (problem,) = caught.value.problems
        assert (problem.code, said in problem.message(), problem.span is None) == (code, True, False), teacher
    taught = tags.with_name("taught.ftr")
    taught.write_text(
        tags.read_text().replace("\ndata", f'\nteacher = run("{tmp_path / "runs/tags"}")\nloss = distillation\ndata')
    )
    train(taught, tmp_path / "taught")  # sigmoids of labels are soft targets as well


def test_a_trained_network_needs_its_teacher_no_more(house: Path, tmp_path: Path) -> None:
    root = shutil.copytree(house, tmp_path / "copy")
    train(_taught(root), root / "runs/small")
    pack, notes = pack_run(root / "runs/small", root / "small.ftrpack")
    assert "the recipe names runs/big, which the pack does not hold: share it too" in notes
    image, before = root / "photos/test/red/0.jpg", None
    shutil.rmtree(root / "runs/big")
    for path in (root / "runs/small", pack):
        (found,) = predict(load(path), [image], mx.cpu())
        assert before in (None, found.classes)
        before = found.classes
    with zipfile.ZipFile(pack) as archive:
        assert str(root) not in json.dumps(json.loads(archive.read("plan.json"))["teacher"])
        assert '- teacher: run(path = "runs/big")' in archive.read("README.md").decode()


def test_the_plan_says_who_teaches_and_what_it_costs(house: Path) -> None:
    kept, live = (prepare(_taught(house, data=data)) for data in (FLIPS, CROPS))
    plain = prepare(write_recipe(house / "plain.ftr", house / "photos", HEAD, data=FLIPS))
    said = teacher_text(kept.plan.teacher)  # type: ignore[arg-type]
    assert "runs/big (recipe " in said
    assert "cifar_resnet20_v1" in said
    text = "the teacher runs once on 2 views of each image; what it says is cached"
    assert teaching(kept.plan, kept.plan.stages[0]) == text
    assert teaching(live.plan, live.plan.stages[0]).startswith("the teacher runs on each batch, since random_crop and")
    assert not teaching(plain.plan, plain.plan.stages[0])
    assert kept.need.of(16) > plain.need.of(16) + 4 * 270_000
    own, enlarged = (prepare(_taught(house, teacher='run("runs/large")', data=data)) for data in (FLIPS, CROPS))
    assert "at its own 40px" in teaching(own.plan, own.plan.stages[0])
    assert "resized to 40px" in teaching(enlarged.plan, enlarged.plan.stages[0])
    found = [[each.code for each in prepared.advice if each.code == "W764"] for prepared in (own, enlarged)]
    assert found == [[], ["W764"]]


def test_the_plan_says_what_each_phase_asks_of_the_teacher(house: Path) -> None:
    more = "  from 1 epoch {\n    loss = cross_entropy\n  }\n  from 2 epochs {\n    loss = distillation\n"
    stages = HEAD.replace("}", f"{more}    augment = [random_crop(32px, padding = 4px)]\n  }}\n}}")
    plan = prepare(_taught(house, stages=stages, data=FLIPS)).plan
    first, second = later_phases(plan.stages[0])
    assert taught_otherwise(plan, *first) == "no teacher any more"
    assert taught_otherwise(plan, *second).startswith("the teacher runs on each batch, since random_crop")
    (change,) = changes(plan, first[0], first[2])
    assert change.startswith("loss cross_entropy(label_smoothing = 0) (before: distillation(")


def test_the_cost_counts_the_teacher(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each image and view, where what it says is kept; else it runs in each step that is measured."""
    paces: list[RunTimes] = []
    monkeypatch.setattr(probing, "_paces", lambda *given: paces.append(measured(*given)) or paces[-1])
    (cost,) = probe(prepare(_taught(house, data=FLIPS)), RunSettings(workers=0)).stages
    assert paces[0].teaching > 0
    assert cost.total_s >= 3 * paces[0].teaching


def test_a_teacher_that_learned_smoothed_labels_is_advised_against(house: Path, tmp_path: Path) -> None:
    smoothed = write_recipe(
        tmp_path / "s.ftr", house / "photos", HEAD, top="loss = cross_entropy(label_smoothing = 0.1)"
    )
    train(smoothed, tmp_path / "s")
    found = prepare(_taught(house, teacher=f'run("{tmp_path / "s"}")')).advice
    (told,) = [each for each in found if each.code == "W765"]
    assert "label smoothing of 0.1" in told.message()
