"""Runs of one recipe with several seeds: each is the run that it is alone, and together they have intervals."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from command import Ftr
from toy import CLASSES, make_images, write_recipe

from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from recipe_lang.syntax.parser import parse
from runtime.backend.mx import mx
from runtime.reporting.comparison import comparison_json
from runtime.runs.seed import seeded_text, with_seed
from runtime.runs.seeds import SeedRun, finished_runs, read_summary, write_seeds
from runtime.training.events import Event, Observer, Preliminary, StepFinished
from runtime.training.settings import RunSettings
from runtime.training.stage import Interrupted
from runtime.workflows.compare import compare, measured_answers, side_of
from runtime.workflows.preparation import Prepared, prepare
from runtime.workflows.run import run
from runtime.workflows.seeds import SeedsFollower, SeedsPlan, run_seeds, seeds_folder

CLAIMS = """
expect {
  test.accuracy >= 1% over 3 seeds
  test.accuracy >= 2% over 4 seeds
  test.loss     >= 0
}
"""
STAGE = 'stage "head" {\n  train = head\n  for = 2 steps\n  optimizer = adam(lr = 0.01)\n}\n'
SETTINGS = RunSettings(workers=0)


def watching(observer: Observer) -> SeedsFollower:
    """Return a follower whose runs all have one observer."""

    @contextmanager
    def watched(seed: int, prepared: Prepared) -> Iterator[Observer]:
        yield observer

    return SeedsFollower(watched)


QUIET = watching(lambda event: None)


def several(recipe: Path, out: Path, seeds: tuple[int, ...], follower: SeedsFollower = QUIET) -> dict[str, Any]:
    """Train with seeds; return the summary."""
    first = prepare(recipe, seed=seeds[0])
    plan = SeedsPlan(first.given, seeds, SETTINGS)
    with seeds_folder(out, plan, first, resumes=out.exists()) as folder:
        return run_seeds(folder, plan, first, follower)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe whose sets follow the seed, and its runs with seeds 5 to 7; its file was spoilt while they trained."""
    root = tmp_path_factory.mktemp("seeds")
    make_images(root / "photos/train", dict.fromkeys(CLASSES, 20))
    data = "  valid = holdout(25%)\n  test = holdout(25%)\n"
    write_recipe(root / "a.ftr", Path("photos"), STAGE + CLAIMS, data=data, top="seed = 5", sources=("train",))
    text = (root / "a.ftr").read_text()

    def spoil(run: SeedRun) -> None:
        (root / "a.ftr").write_text("spoilt")

    several(root / "a.ftr", root / "runs/a", (5, 6, 7), SeedsFollower(QUIET.watched, spoil))
    (root / "a.ftr").write_text(text)
    return root


def weights(folder: Path) -> bytes:
    return (folder / "model.params").read_bytes()


def test_each_run_is_the_one_that_its_seed_gives_alone(root: Path, tmp_path: Path) -> None:
    (root / "six.ftr").write_text((root / "a.ftr").read_text().replace("seed = 5", "seed = 6"))
    (root / "named.ftr").write_text((root / "a.ftr").read_text().replace("seed = 5", "param start = 9\nseed = $start"))
    (root / "none.ftr").write_text((root / "a.ftr").read_text().replace("seed = 5\n", ""))
    found = root / "runs/a/seed-6"
    plan = json.loads((found / "plan.json").read_text())
    for name, seed in (("six", None), ("a", 6), ("none", 6), ("named", 6)):
        prepared = prepare(root / f"{name}.ftr", seed=seed)
        assert prepared.plan.hash == plan["hash"], name
    assert prepared.plan.params == {"start": "6"}
    run(prepared, SETTINGS, tmp_path / "run")
    assert weights(tmp_path / "run") == weights(found)
    assert (found / "recipe.ftr").read_text() == (root / "six.ftr").read_text()
    assert weights(found) != weights(root / "runs/a/seed-7")


@pytest.mark.parametrize(
    ("text", "seeded"),
    [
        ("# mine\nftr 1  # one\nseed  = 1  # the first\n", "# mine\nftr 1  # one\nseed  = 3  # the first\n"),
        ('# mine\nftr 1  # one\nname = "a"\n', '# mine\nftr 1  # one\n\nseed = 3\nname = "a"\n'),
        ("ftr 1", "ftr 1\n\nseed = 3"),
        ('name = "a"  # no version\n', 'seed = 3\n\nname = "a"  # no version\n'),
    ],
)
def test_another_seed_leaves_the_text_of_a_recipe_as_it_is(text: str, seeded: str) -> None:
    tree, settings = with_seed(parse(Source("a.ftr", text)), (), 3)
    assert (seeded_text(tree), settings) == (seeded, ())
    assert parse(Source("a.ftr", seeded)).items == tree.items


def test_the_summary_has_means_with_intervals_and_tests_the_claims_that_it_can(root: Path) -> None:
    summary = json.loads((root / "runs/a/summary.json").read_text())
    values = [each["test"]["accuracy"] for each in summary["runs"]]
    found = summary["test"]["accuracy"]
    assert summary["seeds"] == [5, 6, 7]
    assert found["mean"] == pytest.approx(sum(values) / 3)
    assert found["low"] <= found["mean"] <= found["high"]
    claims = {each["claim"]: each for each in summary["expect"]}
    over = claims["test.accuracy >= 0.01 over 3 seeds"]
    assert over["holds"] is (found["low"] >= 0.01)
    assert (over["low"], over["high"]) == (found["low"], found["high"])
    assert claims["test.accuracy >= 0.02 over 4 seeds"]["holds"] is None
    assert claims["test.loss >= 0"] == {**claims["test.loss >= 0"], "holds": True, "holds_in": 3}
    alone = json.loads((root / "runs/a/seed-5/result.json").read_text())["expect"]
    assert [each["holds"] for each in alone] == [None, None, True]


def test_what_was_interrupted_goes_on_to_the_same_weights(root: Path, tmp_path: Path) -> None:
    def stops(event: Preliminary | Event) -> None:
        if isinstance(event, StepFinished) and len(finished_runs(tmp_path / "a")) == 1:
            raise Interrupted

    with pytest.raises(Interrupted) as stopped:
        several(root / "a.ftr", tmp_path / "a", (5, 6, 7), watching(stops))
    assert stopped.value.args == (2,)
    assert read_summary(tmp_path / "a") == {"recipe": "a", "wanted": 3, "done": 1}
    several(root / "a.ftr", tmp_path / "a", (5, 6, 7))
    for seed in (5, 6, 7):
        assert weights(tmp_path / f"a/seed-{seed}") == weights(root / f"runs/a/seed-{seed}")


def test_the_command_resumes_a_folder_of_several_seeds(root: Path, tmp_path: Path, ftr: Ftr) -> None:
    shutil.copytree(root / "runs/a", tmp_path / "a")
    shutil.rmtree(tmp_path / "a/seed-7")
    (tmp_path / "a/summary.json").unlink()
    found = ftr("run", "--resume", tmp_path / "a", "--workers", 0)
    assert found.code in (0, 1), found.err  # by the claim
    assert "seed 7 (3 of 3)" in found.out
    assert "seed 6 (2 of 3)" not in found.out
    assert "claim test.accuracy >= 0.02 over 4 seeds: not tested" in found.out
    assert weights(tmp_path / "a/seed-7") == weights(root / "runs/a/seed-7")
    again = ftr("run", "--resume", tmp_path / "a/seed-6")
    assert "it has ended" in again.err


def test_a_folder_of_several_seeds_does_not_go_on_with_another_recipe(root: Path, tmp_path: Path, ftr: Ftr) -> None:
    """Also where the seeds that are left have no folder yet, whose plans could be compared."""
    shutil.copytree(root / "runs/a", tmp_path / "a")
    shutil.rmtree(tmp_path / "a/seed-7")
    (root / "edited.ftr").write_text((root / "a.ftr").read_text().replace("lr = 0.01", "lr = 0.02"))
    refused = ftr("run", root / "edited.ftr", "--resume", tmp_path / "a", "--workers", 0)
    assert (refused.code, "E642" in refused.err, (tmp_path / "a/seed-7").exists()) == (2, True, False), refused
    assert "a/resolved.ftr --resume" in refused.err


def test_verify_trains_all_again(root: Path, ftr: Ftr) -> None:
    found = ftr("verify", root / "runs/a")
    assert (found.code, "\nidentical: " in found.out) == (0, True), found
    assert "seed 7 (3 of 3): identical" in found.out
    assert "claim test.accuracy >= 0.01 over 3 seeds: does not hold" in found.out
    assert "not tested: `--seeds 4` does" in found.out


def test_verify_of_a_recipe_trains_all_seeds_that_a_claim_is_over(root: Path, tmp_path: Path, ftr: Ftr) -> None:
    text = (root / "a.ftr").read_text().replace(CLAIMS, "\nexpect {\n  test.loss <= 100 over 2 seeds\n}\n")
    (root / "c.ftr").write_text(text)
    alone = ftr("run", root / "c.ftr", "--out", tmp_path / "run", "--workers", 0)
    assert (alone.code, "not tested" in alone.out) == (0, True), alone.err
    found = ftr("verify", root / "c.ftr")
    assert found.code == 0, found.err
    assert "seed 6 (2 of 2)" in found.out
    assert "claim test.loss <= 100 over 2 seeds: holds" in found.out


def test_runs_are_compared_by_seed_on_the_same_images(root: Path, tmp_path: Path, ftr: Ftr) -> None:
    (root / "b.ftr").write_text((root / "a.ftr").read_text().replace("lr = 0.01", "lr = 0.02"))
    several(root / "b.ftr", tmp_path / "b", (5, 6, 7))
    for seed in (5, 6):
        shutil.copytree(root / f"runs/a/seed-{seed}", tmp_path / f"a/seed-{seed}")
    write_seeds(tmp_path / "a", (5, 6))
    found = ftr("compare", tmp_path / "a", tmp_path / "b", "--metric", "test.accuracy", "--workers", 0)
    assert found.code == 0, found.err
    assert "settings are chosen on validation, never on test" in found.out
    assert "1 run left out, with a seed that the other has not" in found.out
    assert "only A right" in found.out
    answers = measured_answers(mx.cpu(), 0)
    told = comparison_json(compare(side_of(tmp_path / "a"), side_of(tmp_path / "b"), None, answers))
    assert told["metric"] == "valid.accuracy"
    assert [pair["seeds"] for pair in told["pairs"]] == [[5, 5], [6, 6]]
    for pair in told["pairs"]:
        answers = pair["answers"]
        assert pair["difference"] == pytest.approx((answers["only_b"] - answers["only_a"]) / answers["images"])


def test_runs_lists_several_seeds_as_one_and_marks_what_is_not_told_apart(root: Path, tmp_path: Path, ftr: Ftr) -> None:
    for name in ("a", "b"):
        shutil.copytree(root / "runs/a", tmp_path / name)
        shutil.copytree(root / "runs/a/seed-5", tmp_path / f"{name}-alone")
    listed = ftr("runs", tmp_path).out
    rows = {line.split()[0]: line for line in listed.splitlines() if line[:1] in "ab"}
    assert list(rows) == ["a", "b", "a-alone", "b-alone"] or sorted(rows) == ["a", "a-alone", "b", "b-alone"]
    assert "±" in rows["a"]
    assert sum("~" in row for row in rows.values()) == 2  # the others are the best of their kind
    assert "no test of them could show it" in listed.replace("\n", " ")
    assert "holds 0" in listed.replace("\n", " ")
    found = json.loads(ftr("runs", tmp_path, "--json").out)
    assert [each["seeds"] for each in found if "seeds" in each] == [[5, 6, 7]] * 2
    assert not any("known_images" in each for each in found)


def test_a_recipe_compared_with_itself_shows_no_difference(root: Path) -> None:
    side = side_of(root / "runs/a")
    found = compare(side, side)
    assert found.verdict == "no difference is shown between the recipes"
    assert found.mean is not None
    assert found.mean.mean == found.mean.high == 0


@pytest.mark.parametrize(
    ("one", "other", "metric", "code"),
    [
        ("a/seed-5", "a/seed-6", None, "E654"),
        ("a/seed-5", "a/seed-5", "valid.map", "E655"),
        ("a", "a/seed-5", None, "E655"),
    ],
)
def test_what_cannot_be_compared_is_refused(root: Path, one: str, other: str, metric: str | None, code: str) -> None:
    sides = [side_of(root / "runs" / name) for name in (one, other)]
    if code == "E655" and metric is None:
        sides[1] = type(sides[1])(
            sides[1].name, [type(each)(99, each.folder, each.result, each.claims) for each in sides[1].runs]
        )
    with pytest.raises(RecipeError) as refused:
        compare(sides[0], sides[1], metric)
    assert [problem.code for problem in refused.value.problems] == [code]


def test_both_recipes_are_trained_as_they_were_read(
    root: Path, tmp_path: Path, ftr: Ftr, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = []

    def spoil(folder: Path, plan: SeedsPlan, first: Prepared, follower: SeedsFollower) -> None:
        trained.append(first.recipe.source.text)
        for seed in plan.seeds:
            shutil.copytree(root / f"runs/a/seed-{seed}", folder / f"seed-{seed}")
        (tmp_path / "b.ftr").write_text("spoilt")

    text = (root / "a.ftr").read_text().replace("photos/", f"{root}/photos/")
    for name, lr in (("a", "0.01"), ("b", "0.02")):
        (tmp_path / f"{name}.ftr").write_text(text.replace("lr = 0.01", f"lr = {lr}"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("runtime.workflows.seeds.run_seeds", spoil)
    found = ftr("compare", "a.ftr", "b.ftr", "--seeds", 2, "--quiet", "--workers", 0)
    assert (found.code, len(trained)) == (0, 2), found.err
    assert "lr = 0.02" in trained[1]


def test_an_interrupted_comparison_says_how_it_goes_on_with_its_options(
    root: Path, tmp_path: Path, ftr: Ftr, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise Interrupted(signal.SIGTERM)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("runtime.workflows.seeds.run_seeds", interrupted)
    recipe = root / "a.ftr"
    (tmp_path / "b.ftr").write_text(recipe.read_text().replace("lr = 0.01", "lr = 0.02"))
    options = ("--data-root", root, "--workers", 0, "--quiet")
    found = ftr("compare", "./b.ftr", recipe, "--seeds", 2, *options)
    assert (found.code, found.err.splitlines()[0]) == (143, "interrupted; runs/b-seeds-1 keeps 0 of 2 runs")
    assert found.err.endswith(f"\nthen: ftr compare runs/b-seeds-1 {recipe} {' '.join(map(str, options))}\n")


def test_several_seeds_have_no_lock_to_keep_to(root: Path, ftr: Ftr) -> None:
    found = ftr("run", root / "a.ftr", "--seeds", 3, "--locked")
    assert found.code == 2
    assert "for a single run" in found.err
    assert "seeds of its own" in ftr("compare", root / "runs/a", root / "b.ftr", "--seeds", 3).err
    assert "is a single run" in ftr("compare", root / "runs/a/seed-5", root / "a.ftr").err
    missing = ftr("compare", root / "a.ftr", root / "missing.ftr", "--seeds", 2)
    assert (missing.code, "seed 5" in missing.out + missing.err) == (2, False)  # before A is trained
    assert "E110" in missing.err
    other = (root / "a.ftr").read_text().replace("valid = holdout(25%)", "valid = holdout(20%)")
    (root / "other.ftr").write_text(other)
    for given, code in ((("a.ftr", "--metric", "valid.map"), "E655"), (("other.ftr",), "E654")):
        refused = ftr("compare", root / "a.ftr", root / given[0], *given[1:], "--seeds", 2, "--workers", 0)
        assert (refused.code, "seed 5" in refused.out, code in refused.err) == (2, False, True), refused
        onto = ftr("compare", root / "runs/a", root / given[0], *given[1:], "--workers", 0)
        assert (onto.code, "seed 5" in onto.out, code in onto.err) == (2, False, True), onto
    for command in ("evaluate", "pack"):
        assert "name one of them, such as" in ftr(command, root / "runs/a").err
    for words in (("run", "-", "--seeds", 2), ("compare", "-", root / "a.ftr"), ("run", "-", "--engine", "local")):
        assert "can be read but once" in ftr(*words).err, words
    assert "one run has no spread" in ftr("run", root / "a.ftr", "--seeds", 1).err
    assert "keeps its own" in ftr("run", "--resume", root / "runs/a", "--seeds", 3).err
