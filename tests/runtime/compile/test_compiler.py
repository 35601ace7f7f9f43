"""From a checked recipe and facts to a plan: no image, no network, no MXNet."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from golden_files import assert_golden
from paths import ROOT, TESTS
from planned import class_facts, facts, net_facts, plan_of

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.output.resolved import print_recipe
from recipe_lang.problem import Problem, RecipeError
from recipe_lang.source import Source
from runtime.compile.compiler import compile_plan
from runtime.plan.schedules import build
from runtime.plan.types import Component, StagePlan, as_json
from runtime.vocabulary import VOCABULARY


def recipe(
    *fields: str,
    data: str = "",
    base: str = 'gluon("resnet18_v2", weights = none)',
    top: str = "",
    more: str = "",
) -> str:
    """Return a recipe with one stage of these fields; it trains the head for 4 epochs if they say nothing else."""
    written = "\n".join(fields)
    train = "" if "train =" in written else "train = head\n"
    length = "" if "for =" in written else "for = 4 epochs\n"
    size = "" if data.startswith("size") else "size = 64px\n"
    return (
        f'ftr 1\n{top}\ndata {{\ntrain = folder("photos")\nbatch = 10\n{size}{data}\n}}\n'
        f'base = {base}\nstage "one" {{\n{train}{length}{written}\n}}\n{more}'
    )


def stage_of(*fields: str, **options: str) -> StagePlan:
    return plan_of(recipe(*fields, **options)).stages[0]


def problems_of(*fields: str, **options: str) -> tuple[Problem, ...]:
    with pytest.raises(RecipeError) as caught:
        stage_of(*fields, **options)
    return caught.value.problems


# --- golden plans ----------------------------------------------------------------------------


def test_the_plan_of_the_digits() -> None:
    text = (ROOT / "recipes/digits.ftr").read_text(encoding="utf-8")
    data = class_facts(
        tuple("0123456789"), {"train": (108,) * 9 + (105,), "valid": (27,) * 9 + (26,), "test": (45,) * 9 + (46,)}
    )
    checked = check(parse(Source("recipes/digits.ftr", text)), VOCABULARY)
    plan = compile_plan(checked, data, net_facts(7))
    assert_golden("plan-digits.json", json.dumps(as_json(plan), indent=2) + "\n")


FOLDERS = """ftr 1
name = "folders"
param lr = 1e-3 in log(1e-5 .. 1e-1)
data {
  train   = folder("data/train")
  valid   = folder("/absolute/valid")
  prepare = [resize(256px), center_crop, normalize(mean = [0.5, 0.5, 0.5], std = [0.25, 0.25, 0.25])]
  augment = [random_resized_crop(scale = 0.4 .. 1.0), flip(horizontal)]
  batch   = 16
}
base = gluon("resnet18_v2", weights = gluon_params("r.params", sha256 = "0676ba61"))
head = [dropout(0.3), dense(classes)]
loss = cross_entropy(label_smoothing = 0.1)
defaults {
  clip = global_norm(1.0)
}
stage "warm up" {
  train     = head
  for       = 2 epochs
  optimizer = adamw(lr = $lr)
}
stage "open" {
  train     = base.block3 .. head except matching("*bias")
  for       = 40 steps
  optimizer = sgd(lr = $lr / 2, momentum = 0.8)
  lr_scale  = { base.block3 = 0.1, base.block4 = 0.3 }
  schedule  = multistep(at = [2 epochs, 3 epochs], warmup = 5 steps)
  loss      = cross_entropy
  augment   = none
  stop      = early(valid.f1, patience = 1 epoch)
  norm      = frozen
}
expect {
  valid.accuracy >= 93%
}
"""


def test_the_plan_of_folders() -> None:
    checked = check(parse(Source("recipes/folders.ftr", FOLDERS)), VOCABULARY, ["lr=2e-3"])
    plan = compile_plan(checked, facts(200, 40), net_facts(4))
    assert_golden("plan-folders.json", json.dumps(as_json(plan), indent=2) + "\n")


def test_planning_needs_no_mxnet() -> None:
    program = (
        "import sys, test_compiler; test_compiler.test_the_plan_of_folders();"
        " assert not {'mxnet', 'gluoncv', 'PIL'} & set(sys.modules), 'imported'"
    )
    subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parent, env={"PYTHONPATH": f"{ROOT}:{TESTS}"}, check=True
    )


# --- lengths ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "length", "per_epoch", "steps", "epochs"),
    [
        (100, "3 epochs", 10, 30, 3),
        (109, "3 epochs", 10, 30, 3),  # the partial batch is dropped
        (110, "3 epochs", 11, 33, 3),
        (100, "25 steps", 10, 25, 3),
        (100, "1 step", 10, 1, 1),
    ],
)
def test_lengths_become_steps(images: int, length: str, per_epoch: int, steps: int, epochs: int) -> None:
    (stage,) = plan_of(recipe(f"for = {length}"), data=facts(images)).stages
    assert (stage.steps_per_epoch, stage.steps, stage.epochs) == (per_epoch, steps, epochs)


def phases_of(*fields: str, **options: str) -> list[tuple[int, int]]:
    return [(epochs.start, epochs.stop) for epochs, _ in stage_of(*fields, **options).phases()]


@pytest.mark.parametrize(
    ("length", "begins", "phases"),
    [
        ("9 epochs", ("4 epochs",), [(0, 4), (4, 9)]),
        ("9 epochs", ("25%", "8 epochs"), [(0, 2), (2, 8), (8, 9)]),  # 2.25 epochs
        ("5 epochs", ("50%",), [(0, 3), (3, 5)]),  # of two ends that are as near the later one
        ("95 steps", ("9 epochs",), [(0, 9), (9, 10)]),
        ("1 epoch", (), [(0, 1)]),
    ],
)
def test_switches_fall_on_the_ends_of_epochs(length: str, begins: Sequence[str], phases: list[tuple[int, int]]) -> None:
    switches = [f"from {begin} {{ augment = [flip] }}" for begin in begins]
    assert (
        phases_of(f"for = {length}", *(each.replace("{ ", "{\n").replace(" }", "\n}") for each in switches)) == phases
    )


@pytest.mark.parametrize(
    ("length", "begins"),
    [("9 epochs", ("2%",)), ("9 epochs", ("97%",)), ("25 steps", ("3 epochs",)), ("9 epochs", ("50%", "2 epochs"))],
)
def test_a_switch_at_no_place_of_its_own_is_refused(length: str, begins: Sequence[str]) -> None:
    switches = [f"from {begin} {{\naugment = [flip]\n}}" for begin in begins]
    assert [problem.code for problem in problems_of(f"for = {length}", *switches)] == ["E417"]


def test_what_a_switch_does_not_write_stays_as_it_was() -> None:
    stage = stage_of(
        "for = 9 epochs\naugment = [flip]\nsize = 32px",
        "from 3 epochs {\nloss = focal\nsize = 96px\n}",
        "from 6 epochs {\naugment = [color_jitter(0.1)]\nsize = shared\nviews = 2\n}",
        data="size = 64px\nprepare = [resize(80px), center_crop(64px)]",
    )
    (_, first), (_, second), (_, third) = stage.phases()
    assert [phase.loss.name for phase in (first, second, third)] == ["cross_entropy", "focal", "focal"]
    assert [phase.views for phase in (first, second, third)] == [2, 2, 2]  # both of a flip, then two versions
    assert [phase.size and phase.size.plain for phase in (first, second, third)] == [32, 96, None]
    sides = [[step.args["size"] for step in phase.augment[:2]] for phase in (first, second, third)]
    assert sides == [[40, 32], [120, 96], [80, 64]]  # what `prepare` says of sizes goes along
    assert [step.name for step in third.augment] == ["resize", "center_crop", "color_jitter"]
    assert stage.at(8) == stage.last == third
    assert first == replace(stage, switches=())


def test_all_lengths_of_a_stage_are_in_steps() -> None:
    stage = stage_of(
        "schedule = step(every = 2 epochs, warmup = 0.5 epochs)", "stop = early(valid.loss, patience = 15 steps)"
    )
    assert (stage.schedule.args["every"], stage.warmup) == (20, 5)
    assert stage.stop is not None
    assert stage.stop.patience == 15
    assert stage_of("schedule = multistep(at = [7 steps, 9 steps])").schedule.args["at"] == (7, 9)


@pytest.mark.parametrize(
    ("length", "warmup", "steps"),
    [("3 epochs", "10%", 3), ("15 steps", "20%", 3), ("25 steps", "0.1", 2), ("3 epochs", "1 epoch / 2", 5)],
)
def test_a_warmup_may_be_a_share_of_its_stage(length: str, warmup: str, steps: int) -> None:
    assert stage_of(f"for = {length}", f"schedule = cosine(warmup = {warmup})").warmup == steps


FOUR = "for = 4 epochs"  # of 10 steps


def test_schedules_that_follow_one_another_have_their_lengths_in_steps() -> None:
    text = recipe(
        FOUR, "schedule = linear(for = 50%, warmup = 10%) then constant(for = 5 steps) then cosine(peak = 20%)"
    )
    schedule = plan_of(text).stages[0].schedule
    assert [(each.name, dict(each.args)) for each in schedule.args["schedules"]] == [
        ("linear", {"final": 0.0, "warmup": 2, "for": 20}),  # a share in a schedule is of its own length
        ("constant", {"for": 5}),
        ("cosine", {"final": 0.0, "peak": 0.2}),
    ]
    factor = rate_factor_of(text)
    assert [factor(step) for step in (1, 2, 11, 20, 24, 25, 39)] == pytest.approx(
        [0.5, 1, 0.5, 1, 1, 0.2, 0.1 * (1 + math.cos(math.pi * 14 / 15))]
    )


def rate_factor_of(text: str) -> Callable[[int], float]:
    stage = plan_of(text).stages[0]
    name, args = stage.schedule.name, stage.schedule.args
    return build(name, args, total_steps=stage.steps, steps_per_epoch=stage.steps_per_epoch, warmup_steps=stage.warmup)


def test_schedules_that_follow_one_another_are_written_out_as_they_were() -> None:
    text = recipe(FOUR, "schedule = constant(for = 50%) then cosine(peak = 20%)")
    checked = check(parse(Source("r.ftr", text)), VOCABULARY)
    printed = print_recipe(checked, VOCABULARY)
    assert " then cosine(final = 0, warmup = 0 epochs, peak = 0.2)" in printed
    again = check(parse(Source("r.ftr", printed)), VOCABULARY)
    assert [stage["schedule"] for stage in again.all("stage")] == [stage["schedule"] for stage in checked.all("stage")]
    others = ("constant(for = 60%) then cosine(peak = 20%)", "cosine(for = 50%) then constant(peak = 20%)", "cosine")
    assert plan_of(text).hash not in {plan_of(recipe(FOUR, f"schedule = {other}")).hash for other in others}


@pytest.mark.parametrize(
    ("schedule", "code"),
    [
        ("constant(for = 20 steps) then linear(for = 20 steps) then cosine", "E450"),  # as only the data shows
        ("constant(for = 97%) then cosine(warmup = 1 step)", "E551"),
        ("constant(for = 1%, warmup = 1 step) then cosine", "E551"),
    ],
)
def test_schedules_that_do_not_fit_are_an_error(schedule: str, code: str) -> None:
    assert [problem.code for problem in problems_of(FOUR, f"schedule = {schedule}")] == [code]


def test_a_share_is_the_same_recipe_however_it_is_written() -> None:
    texts = [recipe(f"schedule = cosine(warmup = {warmup})") for warmup in ("10%", "0.1", "3 steps", "0.1 epochs")]
    assert [len({plan_of(text).hash for text in texts[:count]}) for count in (2, 3, 4)] == [1, 2, 3]
    printed = print_recipe(check(parse(Source("r.ftr", texts[0])), VOCABULARY), VOCABULARY)
    assert "warmup = 10%" in printed


def test_a_warmup_as_long_as_the_stage_is_an_error() -> None:
    (problem,) = problems_of("for = 12 steps", "schedule = cosine(warmup = 1.2 epochs)")
    assert problem.code == "E551"
    assert problem.span is not None
    assert problem.span.text == "1.2 epochs"
    assert problem.help() == "write a share of the stage, `warmup = 10%`, or train for longer"


def test_a_stage_that_trains_nothing_is_an_error() -> None:
    (problem,) = problems_of('train = matching("*gama")')
    assert problem.code == "E550"
    assert problem.span is not None
    assert problem.span.text.startswith("matching")
    (problem,) = problems_of('train = matching("base*gamma")', "norm = frozen")
    assert problem.code == "E550"


# --- parts -----------------------------------------------------------------------------------


def test_what_trains_and_where_the_cut_is() -> None:
    assert stage_of("train = head").cut == 5
    assert stage_of("train = all").cut == 0
    stage = stage_of("train = [base.block2, head]")
    assert stage.cut == 2
    assert [part.trained > 0 for part in stage.parts] == [False, False, True, False, False, True]
    assert [part.norms for part in stage.parts] == ["frozen", "frozen", "train", "frozen", "frozen", "none"]
    assert stage.parts[2].numbers == 24 * 11  # weight, scale, shift; statistics are no parameters
    assert stage.trained == 24 * 11 + 650


def test_frozen_norms_train_the_rest_of_their_part() -> None:
    stage = stage_of("train = base.block4 .. head", "norm = frozen")
    assert (stage.parts[4].trained, stage.parts[4].norms) == (40 * 9, "frozen")


def test_rates_of_parts() -> None:
    def scales(*fields: str) -> list[float]:
        return [round(part.lr_scale, 6) for part in stage_of(*fields).parts]

    assert scales("train = all") == [1] * 6
    assert scales("train = all", "lr_scale = { base.stem .. base.block2 = 0.1, head = 2 }") == [0.1, 0.1, 0.1, 1, 1, 2]
    assert scales("train = all", "lr_scale = layer_decay(0.5)") == [1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1]
    # a frozen part in between counts: the scale belongs to the depth
    assert scales("train = [base.block1, head]", "lr_scale = layer_decay(0.5)") == [1, 1 / 16, 1, 1, 1, 1]


# --- images ----------------------------------------------------------------------------------


def names(steps: Sequence[Component]) -> list[str]:
    return [f"{step.name} {step.args['size']}" if "size" in step.args else step.name for step in steps]


@pytest.mark.parametrize(
    ("data", "prepared", "training"),
    [
        ("", ["resize 64", "center_crop 64"], ["resize 64", "center_crop 64"]),
        ("augment = [flip]", ["resize 64", "center_crop 64"], ["resize 64", "center_crop 64", "flip"]),
        ("augment = []", ["resize 64", "center_crop 64"], ["resize 64", "center_crop 64"]),
        (
            "augment = [random_resized_crop, flip]",
            ["resize 64", "center_crop 64"],
            ["random_resized_crop 64", "flip"],
        ),
        (
            "prepare = [resize(80px), center_crop]\naugment = [random_crop]",
            ["resize 80", "center_crop 64"],
            ["resize 80", "random_crop 64"],
        ),
        (
            "prepare = [resize(80px), center_crop]\naugment = [resize(70px), random_crop]",
            ["resize 80", "center_crop 64"],
            ["resize 70", "random_crop 64"],
        ),
        ("prepare = [resize(80px)]", ["resize 80", "center_crop 64"], ["resize 80", "center_crop 64"]),
        (
            "prepare = [normalize(mean = [0, 0, 0], std = [1, 1, 1])]",  # says nothing of the geometry
            ["resize 64", "center_crop 64"],
            ["resize 64", "center_crop 64"],
        ),
        (
            "prepare = [flatten_alpha(black)]\naugment = [random_resized_crop]",
            ["flatten_alpha", "resize 64", "center_crop 64"],
            ["flatten_alpha", "random_resized_crop 64"],
        ),
        (
            "prepare = [resize(80px), center_crop, levels(4095)]\naugment = [random_crop]",  # read first
            ["levels", "resize 80", "center_crop 64"],
            ["levels", "resize 80", "random_crop 64"],
        ),
        (
            "augment = [color_jitter(0), flip, lighting(0)]",
            ["resize 64", "center_crop 64"],
            ["resize 64", "center_crop 64", "flip"],
        ),
    ],
)
def test_what_is_done_to_images(data: str, prepared: list[str], training: list[str]) -> None:
    plan = plan_of(recipe(data=data))
    assert names(plan.data.prepare) == prepared
    assert names(plan.stages[0].augment) == training


def test_a_crop_without_a_choice_is_a_fixed_step_whose_result_is_kept() -> None:
    square = replace(facts(), sides=(20, 64))
    (stage,) = plan_of(recipe(data="augment = [random_crop, flip]"), data=square).stages
    assert (names(stage.augment), stage.views) == (["resize 64", "center_crop 64", "flip"], 2)
    (stage,) = plan_of(recipe(data="augment = [random_crop, flip]")).stages
    assert (names(stage.augment)[1], stage.views) == ("random_crop 64", None)


def test_a_stage_has_its_own_augmentation_or_the_shared_one() -> None:
    shared = "augment = [flip]"
    assert names(stage_of(data=shared).augment)[-1] == "flip"
    assert "flip" not in names(stage_of("augment = none", data=shared).augment)
    assert names(stage_of("augment = [lighting]", data=shared).augment)[2:] == ["lighting"]


def test_the_size_is_written_or_the_crops_or_the_bases_own() -> None:
    assert plan_of(recipe()).data.size.plain == 64
    crop = "prepare = [resize(80px), center_crop(72px)]"
    assert plan_of(recipe(data=crop).replace("size = 64px\n", "")).data.size.plain == 72
    assert plan_of(recipe().replace("size = 64px\n", "")).data.size.plain == 224


@pytest.mark.parametrize(
    ("base", "data", "mean", "std"),
    [
        ('packaged("efficientnet_lite0")', "", (127 / 255,) * 3, (128 / 255,) * 3),
        ('gluon("resnet18_v2")', "", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ('gluoncv("resnet50_v1b", weights = none)', "", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ('gluoncv("cifar_resnet20_v1")', "size = 32px", (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
        (
            'gluon("resnet18_v2")',
            "prepare = [resize(64px), normalize(mean = [0.1, 0.2, 0.3], std = [1, 2, 3])]",
            (0.1, 0.2, 0.3),
            (1, 2, 3),
        ),
    ],
)
def test_normalization_belongs_to_the_weights(
    base: str, data: str, mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    blocks = 7 if "lite" in base else 3 if "cifar" in base else 4
    plan = plan_of(recipe(base=base, data=data), blocks=blocks)
    assert plan.data.mean == pytest.approx(mean)
    assert plan.data.std == pytest.approx(std)
    assert "normalize" not in names(plan.data.prepare)


# --- what a stage starts from and hands on ---------------------------------------------------


def test_where_each_stage_starts() -> None:
    second = 'stage "two" {\n  train = all\n  for = 1 epoch\n}\n'

    def origins(*fields: str, base: str = 'gluon("resnet18_v2", weights = none)') -> list[str]:
        return [stage.starts_from for stage in plan_of(recipe(*fields, base=base, more=second)).stages]

    assert origins() == ["random weights", 'the last weights of "one"']
    assert origins("monitor = valid.f1")[1] == 'the best weights of "one" by valid.f1'
    assert origins("stop = early(valid.loss)")[1] == 'the best weights of "one" by valid.loss'
    assert origins("stop = early(valid.loss)", "keep = last")[1] == 'the last weights of "one"'
    assert origins(base='gluon("resnet18_v2")')[0] == "the base's imagenet weights, a new head"


def test_the_loss_of_a_stage_is_its_own_or_the_recipes() -> None:
    top = "loss = cross_entropy(label_smoothing = 0.1)"
    assert stage_of(top=top).loss.args == {"label_smoothing": 0.1}
    assert stage_of("loss = cross_entropy", top=top).loss.args == {"label_smoothing": 0.0}


def test_names_and_parameters() -> None:
    plan = plan_of(recipe("optimizer = adam(lr = $r)", top="param r = 1e-3 in 1e-4 .. 1e-2"), ["r=2e-3"])
    assert (plan.name, plan.params) == ("r", {"r": "0.002"})
    assert plan.stages[0].optimizer.args["lr"] == 2e-3
    assert plan.stages[0].optimizer.span is not None
    assert str(plan.stages[0].optimizer.span).startswith("recipes/r.ftr:")


def test_numbers_that_json_has_not() -> None:
    assert as_json({"loss": float("nan"), "all": (float("inf"), 1.5)}) == {"loss": None, "all": [None, 1.5]}
