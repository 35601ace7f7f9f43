"""Resuming where something has changed: the recipe, its settings, the images, versions, the run's own files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from resumed import STEPS, Stop, go_on, refusal, result_left, stop_at, stopped, written

from runtime.runs.checkpoints import newest
from runtime.runs.lock.facts import keep_lock
from runtime.runs.lock.file import LOCK, read_lock
from runtime.runs.manifest import read_manifest
from runtime.runs.resume import Resume, differences
from runtime.training.events import Resumed
from runtime.training.settings import RunSettings
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run
from runtime.workflows.verify import compare
from tests.command import Ftr
from tests.toy import CLASSES, STAGE, make_images, write_recipe


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    for seed, (name, count) in enumerate({"train": 27, "valid": 6, "test": 5}.items()):
        make_images(root / name, dict.fromkeys(CLASSES, count), seed)
    return root


@pytest.fixture(scope="module")
def begun(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, Any]]:
    """Return a recipe, the folder of a run that stopped in its second stage, and what the whole run leaves."""
    root = tmp_path_factory.mktemp("begun")
    recipe, _ = written(root, photos, "features kept")
    run(prepare(recipe), RunSettings(workers=0, interval=STEPS), root / "whole")
    stopped(recipe, root / "run", 8)
    return recipe, root / "run", result_left(root / "whole")


@pytest.fixture
def half(begun: tuple[Path, Path, dict[str, Any]], tmp_path: Path) -> Path:
    return shutil.copytree(begun[1], tmp_path / "run")


def test_a_changed_recipe_is_refused_with_the_difference(
    begun: tuple[Path, Path, dict[str, Any]], half: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "r.ftr"
    changed.write_text(begun[0].read_text().replace("momentum = 0.9", "momentum = 0.8"))
    problem = refusal(changed, half)
    assert problem.code == "E642"
    assert "stages[2].optimizer.args.momentum: 0.9 -> 0.8" in problem.message()
    assert f"ftr run {half / 'resolved.ftr'} --resume {half}" in problem.help()
    changed.write_text("# a note\n" + begun[0].read_text().replace("\n", "\n\n"))
    go_on(changed, half)
    assert result_left(half) == begun[2]


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ("sgd(", "nag(", 'stages[2].optimizer.name: "sgd" -> "nag"'),
        ("adam(", "adamw(", 'stages[1].optimizer.name: "adam" -> "adamw"'),
        ("cosine(warmup = 2 steps)", "constant(warmup = 2 steps)", 'stages[2].schedule.name: "cosine" -> "constant"'),
        ("[dropout(0.3), dense(classes)]", "[relu, dense(classes)]", 'head[1].name: "dropout" -> "relu"'),
    ],
)
def test_another_name_with_the_same_arguments_is_another_recipe(
    old: str, new: str, difference: str, begun: tuple[Path, Path, dict[str, Any]], half: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "r.ftr"
    changed.write_text(begun[0].read_text().replace(old, new))
    problem = refusal(changed, half)
    assert problem.code == "E642"
    assert difference in problem.message()


def test_a_file_of_weights_that_lies_elsewhere_is_no_other_recipe() -> None:
    old, new = (
        {
            "base": {
                "name": "gluoncv",
                "args": {"weights": {"name": "gluon_params", "args": {"file": file}, "place": at}},
            }
        }
        for file, at in (("/old/w.params", "r.ftr:3:1"), ("/new/w.params", "r.ftr:9:1"))
    )
    assert not list(differences(old, new))


def test_another_set_of_images_is_refused(photos: Path, begun: tuple[Path, Path, dict[str, Any]], half: Path) -> None:
    extra = photos / "valid/red/extra.jpg"
    shutil.copy(photos / "valid/red/0.jpg", extra)
    try:
        problem = refusal(begun[0], half)
    finally:
        extra.unlink()
    assert problem.code == "E561"
    assert problem.message().startswith("`data.valid.red` is 7 images, ")


def test_longer_stages_take_their_own_word(
    begun: tuple[Path, Path, dict[str, Any]], half: Path, tmp_path: Path
) -> None:
    longer = tmp_path / "longer.ftr"
    longer.write_text(begun[0].read_text().replace("11 steps", "15 steps"))
    problem = refusal(longer, half)
    assert (problem.code, "--extend" in problem.help()) == ("E642", True)
    assert refusal(begun[0], half, extend=True).code == "E645"
    other = tmp_path / "other.ftr"
    other.write_text(longer.read_text().replace("momentum = 0.9", "momentum = 0.8"))
    problem = refusal(other, half, extend=True)
    assert ("momentum" in problem.message(), "steps" in problem.message()) == (True, False)
    result = go_on(longer, half, extend=True)
    assert [stage["steps_done"] for stage in result["stages"]] == [15, 15]
    assert "for           = 15 steps" in (half / "resolved.ftr").read_text()


def test_a_plan_of_before_a_field_of_stages_was_added_is_the_same(
    begun: tuple[Path, Path, dict[str, Any]], tmp_path: Path
) -> None:
    recipe, half, whole = begun
    old = shutil.copytree(half, tmp_path / "old")
    plan = json.loads((old / "plan.json").read_text())
    for stage in plan["stages"]:
        del stage["accumulate"], stage["average"], stage["l2_sp"], stage["sam"], stage["stochastic_depth"]
    (old / "plan.json").write_text(json.dumps(plan))
    go_on(recipe, old)
    assert result_left(old)["model.params"] == whole["model.params"]
    assert list(differences({"stages": [{}]}, {"stages": [{"sam": 0.1}]})) == [("stages[1].sam", "null", "0.1")]


def test_a_run_that_has_ended_does_not_resume(photos: Path, tmp_path: Path) -> None:
    """It is not measured anew, and no claim that was written since becomes its own."""
    recipe, out = write_recipe(tmp_path / "r.ftr", photos, STAGE), tmp_path / "run"
    run(prepare(recipe), RunSettings(workers=0), out)
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    recipe.write_text(f"{recipe.read_text()}\nexpect {{\n  valid.accuracy >= 99%\n}}\n")
    problem = refusal(recipe, out)
    assert (problem.code, "it has ended" in str(problem.message)) == ("E644", True)
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


def test_a_finished_run_can_be_extended(photos: Path, tmp_path: Path) -> None:
    stage = '\nstage "head" {\n  train = head\n  for = 2 epochs\n  schedule = constant\n}\n'
    recipe = write_recipe(tmp_path / "r.ftr", photos, stage)
    run(prepare(recipe), RunSettings(workers=0), tmp_path / "run")
    recipe.write_text(recipe.read_text().replace("2 epochs", "4 epochs"))
    go_on(recipe, tmp_path / "run", extend=True)
    run(prepare(recipe), RunSettings(workers=0), tmp_path / "whole")
    assert (tmp_path / "run/model.params").read_bytes() == (tmp_path / "whole/model.params").read_bytes()
    assert (tmp_path / "run/metrics.jsonl").read_text().count("stage_started") == 1


SET = ("rate = 1e-3", "rate=0.01")


def _with_rate(path: Path, photos: Path, length: str = "2 epochs") -> Path:
    stage = STAGE.replace("1 epoch", f"{length}\n  optimizer = sgd(lr = $rate)")
    return write_recipe(path, photos, stage, top=f"param {SET[0]}")


def test_edits_in_the_copy_that_a_run_has_of_its_recipe_are_refused(photos: Path, tmp_path: Path, ftr: Ftr) -> None:
    _with_rate(tmp_path / "parent.ftr", photos)
    recipe, out = tmp_path / "r.ftr", tmp_path / "run"
    recipe.write_text('ftr 1\nextends "parent.ftr"\nseed = 7\n')
    with pytest.raises(Stop):
        run(prepare(recipe, [SET[1]]), RunSettings(workers=0, interval=STEPS), out, observers=(stop_at(0, 5),))
    copy = out / "recipe.ftr"
    before = copy.read_text()
    for edited in (before.replace("seed = 7", "seed = 8"), "this is no recipe"):
        copy.write_text(edited)
        refused = ftr("run", "--resume", out)
        assert (refused.code, refused.err.count("error[E642]")) == (2, 1)
        assert f"{copy} was edited" in refused.err
        assert f"`ftr run {recipe} --resume {out}` resumes as it began" in refused.err
    copy.write_text(f"# a note\n{before}")
    recipe.write_text(recipe.read_text().replace("seed = 7", "seed = 9"))  # what it does resume with speaks for itself
    assert "seed: 7 -> 9" in ftr("run", "--resume", out).err
    recipe.unlink()
    assert ftr("run", "--resume", out, "--quiet").code == 0


def test_a_run_whose_recipe_is_gone_keeps_its_settings(photos: Path, tmp_path: Path) -> None:
    recipe, out = _with_rate(tmp_path / "r.ftr", photos), tmp_path / "run"
    run(prepare(recipe, [SET[1]]), RunSettings(workers=0, interval=STEPS), tmp_path / "whole")
    with pytest.raises(Stop):
        run(prepare(recipe, [SET[1]]), RunSettings(workers=0, interval=STEPS), out, observers=(stop_at(0, 5),))
    recipe.unlink()
    result = go_on(out / "resolved.ftr", out)
    assert result_left(out) == result_left(tmp_path / "whole")
    assert result["settings"] == {"rate": "0.01"}
    for name in ("recipe", "result"):
        ours, whole = (read_lock(each / LOCK).facts for each in (out, tmp_path / "whole"))
        assert [item for item in ours.items() if item[0][0] == name] == [
            item for item in whole.items() if item[0][0] == name
        ]
    assert keep_lock(out / "resolved.ftr", out) == ""
    assert not (out / "resolved.ftr.lock").exists()


def test_a_longer_run_goes_on_with_the_recipe_that_made_it_longer(photos: Path, tmp_path: Path) -> None:
    recipe, out = _with_rate(tmp_path / "r.ftr", photos), tmp_path / "run"
    run(prepare(recipe, [SET[1]]), RunSettings(workers=0), out)
    longer = _with_rate(tmp_path / "longer.ftr", photos, "3 epochs")
    settings = RunSettings(workers=0)
    result = run(prepare(longer, [SET[1]]), settings, None, resume=Resume(out, extend=True))[1]
    assert result["stages"][0]["epochs_done"] == 3
    began = read_manifest(out)
    assert (began.recipe, began.settings, len(began.resumed)) == (str(longer), (SET[1],), 1)
    lock = read_lock(out / LOCK).facts
    changed = [name for section, name in lock if section == "resumed"]
    assert changed == ["recipe.hash", "recipe.resolved"]
    run(prepare(longer, [SET[1]]), settings, tmp_path / "whole")
    verdict = compare(lock, read_lock(tmp_path / "whole" / LOCK).facts)
    assert [each.name for each in verdict.reasons] == ["resumed.recipe.hash", "resumed.recipe.resolved"]


def test_a_run_that_begins_again_says_so(begun: tuple[Path, Path, dict[str, Any]], half: Path) -> None:
    shutil.rmtree(half / "checkpoints")
    seen: list[Any] = []
    go_on(begun[0], half, watch=seen.append)
    assert [event for event in seen if isinstance(event, Resumed)] == [Resumed(0, 0, 0)]


def test_an_image_that_changed_since_is_refused(
    photos: Path, begun: tuple[Path, Path, dict[str, Any]], half: Path
) -> None:
    image = photos / "train/red/0.jpg"
    content = image.read_bytes()
    shutil.copy(photos / "train/red/1.jpg", image)
    try:
        problem = refusal(begun[0], half)
    finally:
        image.write_bytes(content)
    assert (problem.code, "data.train.red" in problem.message()) == ("E561", True)


def test_other_versions_are_said_and_kept_in_the_lock(begun: tuple[Path, Path, dict[str, Any]], half: Path) -> None:
    lock, now = half / LOCK, np.__version__
    lock.write_text(lock.read_text().replace(f'numpy = "{now}"', 'numpy = "1.0"'))
    seen: list[Any] = []
    assert go_on(begun[0], half, watch=seen.append)["resumed"] == [[["versions.numpy", "1.0", now]]]
    (resumed,) = [event for event in seen if isinstance(event, Resumed)]
    assert resumed.changed == (("versions.numpy", "1.0", now),)
    facts = read_lock(lock).facts
    assert facts["resumed", "versions.numpy"] == f"1.0, then {now}"
    whole = {key: fact for key, fact in facts.items() if key[0] != "resumed"} | {("result", "weights"): "0" * 64}
    assert [each.name for each in compare(facts, whole).reasons] == ["resumed.versions.numpy"]


def test_with_what_a_run_began_does_not_matter_when_it_begins_anew(photos: Path, tmp_path: Path) -> None:
    recipe, _ = written(tmp_path, photos, "features kept")
    with pytest.raises(Stop):
        run(prepare(recipe), RunSettings(workers=0), tmp_path / "run", observers=(stop_at(0, 2),))
    assert newest(tmp_path / "run") is None
    lock = tmp_path / "run" / LOCK
    lock.write_text(lock.read_text().replace(f'numpy = "{np.__version__}"', 'numpy = "1.0"'))
    with pytest.raises(Stop):
        go_on(recipe, tmp_path / "run", watch=stop_at(0, 1))
    assert read_lock(lock).facts["versions", "numpy"] == np.__version__
    assert go_on(recipe, tmp_path / "run")["resumed"] == []
    run(prepare(recipe), RunSettings(workers=0), tmp_path / "whole")
    assert lock.read_bytes() == (tmp_path / "whole" / LOCK).read_bytes()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"format": 1}', "[" * 100_000, '{"format": 2}'], ids=lambda text: text[:12]
)
def test_a_damaged_run_json_is_refused(text: str, begun: tuple[Path, Path, dict[str, Any]], half: Path) -> None:
    (half / "run.json").write_text(text)
    assert refusal(begun[0], half).code in ("E605", "E644")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("threads", 0),
        ("threads", 10**9),
        ("resumed", [["a", "b", "c"]]),
        ("resumed", [[["a", "b", 3]]]),
        ("resumed", [[["a", "b" * 9_000_000, "c"]]]),
        ("resumed", [[["a", "b", "c"]] * 300_000]),
    ],
)
def test_a_run_json_that_no_run_writes_is_refused(
    name: str, value: Any, begun: tuple[Path, Path, dict[str, Any]], half: Path
) -> None:
    path = half / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    assert refusal(begun[0], half).code == "E644"
