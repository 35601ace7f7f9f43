"""A run whose base is an earlier run: its network, weights and head, and what becomes of them without the parent."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from toy import CLASSES, STAGE, make_images, train, trained, write_recipe

from recipe_lang.check.checker import check
from recipe_lang.output.identity import recipe_hash, resolved_hash
from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from runtime.lsp.reading import base as base_of
from runtime.lsp.reading import read
from runtime.runs.lineage import load_recipe
from runtime.runs.lock.facts import refuse
from runtime.runs.lock.file import LOCK, read_lock
from runtime.runs.pack.pack import pack_run, unpack
from runtime.runs.prediction import predict
from runtime.runs.recipe_files import read_recipe
from runtime.runs.resume import Resume
from runtime.runs.trained import load
from runtime.training.events import FeaturesComputed, StepFinished
from runtime.training.settings import RunSettings
from runtime.vocabulary import VOCABULARY
from runtime.weights.params_file import read_params, sha256_of
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run
from runtime.workflows.verify import compare, subject

TOP = '\nstage "top" {\n  train = base.block3 .. head\n  for   = 1 epoch\n}\n'
LIGHT = "  prepare = [normalize(mean = [0.5, 0.5, 0.5], std = [0.25, 0.25, 0.25])]"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos, a parent run of two stages, its pack, and two runs on top of it."""
    root = tmp_path_factory.mktemp("house")
    for number, name in enumerate(("train", "valid", "test")):
        make_images(root / "photos" / name, dict.fromkeys(CLASSES, 8), number)
    train(write_recipe(root / "parent.ftr", root / "photos", STAGE + TOP, data=LIGHT), root / "runs" / "parent")
    pack_run(root / "runs/parent", root / "parent.ftrpack")
    train(_child(root, "child", 'run("runs/parent")', stages=STAGE), root / "runs" / "child")
    train(_child(root, "kept", 'pack("parent.ftrpack", head = kept)', head=""), root / "runs" / "kept")
    return root


def _child(root: Path, name: str, base: str, *, stages: str = STAGE + TOP, head: str = "[dense(classes)]") -> Path:
    path = write_recipe(root / f"{name}.ftr", root / "photos", stages, base=base, head=head)
    path.write_text(path.read_text().replace("head = \n", ""))
    return path


def _checked(path: Path, text: str | None = None) -> str:
    source = read_recipe(path) if text is None else Source(str(path), text)
    return recipe_hash(check(load_recipe(source), VOCABULARY), VOCABULARY)


def _start(root: Path, base: str, **more: str) -> dict[str, np.ndarray]:
    """Return the weights that a run begins with."""
    import mxnet as mx

    from runtime.models.network import start_weights

    prepared = prepare(_child(root, "start", base, **more))
    start_weights(prepared.model, prepared.plan.base, 0, mx.cpu())
    return prepared.model.arrays()


def test_a_frozen_base_is_the_parents_bit_for_bit(house: Path) -> None:
    parent, child = (read_params(house / "runs" / name / "model.params") for name in ("parent", "child"))
    assert all(np.array_equal(parent[name], child[name]) for name in parent if name.startswith("base."))
    assert not np.array_equal(parent["head.1.weight"], child["head.1.weight"])


def test_the_head_is_new_unless_it_is_kept(house: Path) -> None:
    parent = read_params(house / "runs/parent/model.params")
    new = _start(house, 'run("runs/parent")')
    kept = _start(house, 'run("runs/parent", head = kept)', head="")
    assert not np.array_equal(new["head.1.weight"], parent["head.1.weight"])
    assert all(np.array_equal(kept[name], parent[name]) for name in parent)


def test_the_weights_of_a_stage(house: Path) -> None:
    """What stage "head" handed on has the base that the parent began with."""
    handed_on = read_params(house / "runs/parent/stages/1.params")
    started = _start(house, 'run("runs/parent", stage = "head")')
    assert all(np.array_equal(started[name], handed_on[name]) for name in started if name.startswith("base."))
    final = read_params(house / "runs/parent/model.params")
    assert any(not np.array_equal(final[name], started[name]) for name in started if name.startswith("base.block3"))


def test_a_pack_is_the_run(house: Path) -> None:
    of_run = _start(house, 'run("runs/parent", head = kept)', head="")
    of_pack = _start(house, 'pack("parent.ftrpack", head = kept)', head="")
    assert all(np.array_equal(of_run[name], of_pack[name]) for name in of_run)


def test_the_normalization_follows(house: Path) -> None:
    plan = prepare(_child(house, "start", 'run("runs/parent")')).plan
    assert (plan.data.mean, plan.data.std) == ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    plan = json.loads((house / "runs/kept/plan.json").read_text())
    assert plan["data"]["mean"] == [0.5, 0.5, 0.5]


def test_the_lock_and_the_plan_name_the_parent(house: Path) -> None:
    facts = read_lock(house / "runs/child" / LOCK).facts
    parent = read_lock(house / "runs/parent" / LOCK).facts
    assert facts["weights", "sha256"] == sha256_of(house / "runs/parent/model.params")
    assert facts["weights", "recipe"] == parent["recipe", "hash"]
    assert facts["weights", "source"] == "run parent"
    packed = read_lock(house / "runs/kept" / LOCK).facts
    assert (packed["weights", "sha256"], packed["weights", "source"]) == (
        facts["weights", "sha256"],
        "pack parent.ftrpack",
    )
    plan = json.loads((house / "runs/child/plan.json").read_text())
    assert plan["base"]["args"]["weights"]["args"]["recipe"] == parent["recipe", "hash"]
    assert plan["stages"][0]["starts_from"].endswith("runs/parent has learned, a new head")


def test_the_same_run_again_is_the_same(house: Path, tmp_path: Path) -> None:
    train(house / "child.ftr", tmp_path / "again")
    verdict = compare(read_lock(house / "runs/child" / LOCK).facts, read_lock(tmp_path / "again" / LOCK).facts)
    assert verdict.text.startswith("identical")


def test_a_run_that_resumes_is_the_run_that_never_stopped(house: Path, tmp_path: Path) -> None:
    events: list[object] = []

    def should_stop() -> bool:
        return sum(isinstance(event, StepFinished) for event in events) == 2

    prepared = prepare(house / "kept.ftr")
    folder, result = run(
        prepared, RunSettings(workers=0), tmp_path / "cut", observers=(events.append,), should_stop=should_stop
    )
    assert result["status"] == "interrupted"
    run(prepare(house / "kept.ftr"), RunSettings(workers=0), resume=Resume(folder))
    assert (folder / "model.params").read_bytes() == (house / "runs/kept/model.params").read_bytes()


def test_another_parent_is_refused_with_both_hashes(house: Path, tmp_path: Path) -> None:
    lock = read_lock(house / "runs/child" / LOCK)
    root = shutil.copytree(house, tmp_path / "copy")
    shutil.rmtree(root / "runs/parent")
    shutil.copytree(root / "runs/kept", root / "runs/parent")
    folder = tmp_path / "again"
    train(root / "child.ftr", folder)
    with pytest.raises(RecipeError) as caught:
        refuse(lock, ("weights",), read_lock(folder / LOCK).facts)
    said = [problem.message() for problem in caught.value.problems]
    new, old = (sha256_of(house / "runs" / name / "model.params")[:12] for name in ("kept", "parent"))
    assert any("weights.sha256" in each and new in each and old in each for each in said)
    assert any("weights.recipe" in each for each in said)


def test_a_trained_run_needs_its_parent_no_more(house: Path, tmp_path: Path) -> None:
    image = house / "photos/test/red/0.jpg"
    before = [each.classes for each in predict(load(house / "runs/kept"), [image], _cpu())]
    run_folder = shutil.copytree(house / "runs/kept", tmp_path / "alone")
    pack, _ = pack_run(run_folder, tmp_path / "alone.ftrpack")
    for path in (run_folder, pack, unpack(pack, tmp_path / "unpacked")):
        assert [each.classes for each in predict(load(path), [image], _cpu())] == before
    recipe = check(load_recipe(read_recipe(run_folder / "recipe.ftr")), VOCABULARY)
    assert resolved_hash(recipe, VOCABULARY) == read_lock(run_folder / LOCK).facts["recipe", "resolved"]


def _cpu() -> object:
    import mxnet as mx

    return mx.cpu()


def test_other_classes_get_a_new_head_and_it_is_said(house: Path, tmp_path: Path) -> None:
    root = tmp_path / "two"
    for name in ("train", "valid", "test"):
        make_images(root / "photos" / name, {"blue": 8, "red": 8})
    prepared = prepare(_child(root, "two", f'run("{house / "runs/parent"}", head = kept)', head=""))
    (told,) = [problem for problem in prepared.advice if problem.code == "W781"]
    assert "it has 3 classes and this recipe 2, such as `green`" in told.message()
    assert prepared.plan.stages[0].starts_from.endswith("a new head")


def test_what_is_not_there_or_does_not_fit(house: Path, tmp_path: Path) -> None:
    cases = {
        'run("runs")': "it has no `resolved.ftr`",
        'run("runs/none")': "it is not there",
        'pack("child.ftr")': "it is no pack, or a damaged one",
        'run("runs/parent", stage = "hed")': 'it has no stage "hed", but "head", "top"',
        'gluoncv("resnet18_v1", weights = run("runs/parent"))': "not of gluoncv resnet18_v1",
    }
    for base, said in cases.items():
        path = _child(house, "wrong", base)
        with pytest.raises(RecipeError) as caught:
            _checked(path)
        (problem,) = caught.value.problems
        assert (problem.code, said in problem.message(), problem.span is None) == ("E564", True, False), base
    with pytest.raises(RecipeError) as caught:
        _checked(_child(house, "wrong", 'run("runs/parant")'))
    assert f"did you mean `{house / 'runs/parent'}`?" in caught.value.problems[0].help()
    path = _child(house, "wrong", "$net")
    path.write_text(path.read_text().replace("ftr 1\n", 'ftr 1\nparam net = run("runs/parent")\n'))
    with pytest.raises(RecipeError, match="a parameter names it"):
        prepare(path)
    with pytest.raises(RecipeError, match="the recipe writes another"):
        _checked(_child(house, "wrong", 'run("runs/parent", head = kept)', head="[dropout(0.2), dense(classes)]"))
    path = _child(house, "wrong", 'run("runs/parent", head = kept)', head="")
    path.write_text(path.read_text().replace("ftr 1\n", "ftr 1\ntask = regression\n"))
    with pytest.raises(RecipeError, match="takes its head for `task = regression`; leave `head` out for a new one"):
        _checked(path)


def test_damaged_parents_are_refused_not_believed(house: Path, tmp_path: Path) -> None:
    path = tmp_path / "recipe.ftr"
    text = _child(house, "start", 'run("parent")').read_text()
    for name, content in {
        "resolved.ftr": b"\xff\xfe",
        "plan.json": b"[" * 100_000,
    }.items():
        parent = shutil.copytree(house / "runs/parent", tmp_path / "parent")
        (parent / name).write_bytes(content)
        with pytest.raises(RecipeError, match="cannot be the base"):
            _checked(path, text)
        shutil.rmtree(parent)
    for at in range(0, 4000, 151):
        data = bytearray((house / "parent.ftrpack").read_bytes())
        data[-at - 1] ^= 0x55
        (tmp_path / "odd.ftrpack").write_bytes(data)
        with contextlib.suppress(RecipeError):
            _checked(path, text.replace('run("parent")', 'pack("odd.ftrpack")'))


def test_an_editor_knows_the_parents_parts(house: Path) -> None:
    reading = read(read_recipe(_child(house, "start", 'run("runs/parent")')))
    assert base_of(reading.recipe) == (("stem", "block1", "block2", "block3"), "cifar_resnet20_v1")
    wrong = _child(house, "wrong", 'run("runs/parent")').read_text().replace("base.block3", "base.block5")
    assert [problem.code for problem in read(Source(str(house / "wrong.ftr"), wrong)).problems] == ["E204"]


def test_a_run_on_a_graph_that_a_run_has_exported(house: Path, tmp_path: Path) -> None:
    """It resumes, is verified, caches features and is a base itself, at last with neither graph nor parent."""
    (tmp_path / "photos").symlink_to(house / "photos")  # new files would be read each time
    for name in ("model-symbol.json", "model-0000.params", "plan.json"):
        shutil.copy(house / "runs/parent" / name, tmp_path / name)
    graph = json.loads((tmp_path / "model-symbol.json").read_text())["nodes"]
    cut = [node["name"] for node in graph if node["op"] == "Pooling"][-1]
    base = f'symbol("model-symbol.json", params = "model-0000.params", cut = "{cut}")'
    stages = STAGE + '\nstage "all" {\n  train = all\n  for   = 2 epochs\n}\n'
    recipe, whole = _child(tmp_path, "first", base, stages=stages), tmp_path / "runs/first"
    weights, computed = trained(recipe, whole)
    assert computed

    def should_stop() -> bool:
        return sum(isinstance(event, StepFinished) for event in told) == 2

    told: list[object] = []
    folder, result = run(
        prepare(recipe), RunSettings(workers=0), tmp_path / "cut", observers=(told.append,), should_stop=should_stop
    )
    assert result["status"] == "interrupted"
    assert not any(isinstance(event, FeaturesComputed) for event in told)  # they are cached
    run(prepare(recipe), RunSettings(workers=0), resume=Resume(folder))
    assert (folder / "model.params").read_bytes() == weights
    subject(whole, read_lock(whole / LOCK), None)  # or it is not the recipe of its lock

    child = _child(tmp_path, "second", 'run("runs/first", head = kept)', stages=STAGE, head="")
    train(child, tmp_path / "runs/second")
    before, after = (read_params(tmp_path / "runs" / name / "model.params") for name in ("first", "second"))
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[name], after[name]) for name in before if name.startswith("base."))
    facts = read_lock(tmp_path / "runs/second" / LOCK).facts
    assert facts["weights", "recipe"] == read_lock(whole / LOCK).facts["recipe", "hash"]
    plan = json.loads((tmp_path / "runs/second/plan.json").read_text())
    assert (plan["data"]["mean"], plan["data"]["std"]) == ([0.5] * 3, [0.25] * 3)
    subject(tmp_path / "runs/second", read_lock(tmp_path / "runs/second" / LOCK), None)
    pack, _ = pack_run(tmp_path / "runs/second", tmp_path / "second.ftrpack")
    with pytest.raises(RecipeError, match="`ftr unpack` it"):
        prepare(_child(tmp_path, "third", 'pack("second.ftrpack")', stages=STAGE))
    image = tmp_path / "photos/test/red/0.jpg"
    (said,) = predict(load(tmp_path / "runs/second"), [image], _cpu())
    shutil.move(tmp_path / "runs", tmp_path / "gone")
    (tmp_path / "model-symbol.json").unlink()
    alone = unpack(pack, tmp_path / "alone")
    for each in (pack, alone):
        assert next(iter(predict(load(each), [image], _cpu()))).classes == said.classes
    subject(alone, read_lock(alone / LOCK), None)
    assert prepare(_child(tmp_path, "fourth", 'run("alone")', stages=STAGE)).plan.base.name == "symbol"
