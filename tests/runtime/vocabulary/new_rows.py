"""Rows that ftr does not have, one of each kind, and what it then says and does: run by `test_rows.py` on its own.

Nothing but the tables is touched, before anything has read them. Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from recipe_lang.check.vocabulary import Arg, Default, Duration, Entry, ListOf, Number
from runtime.models import weights_sources
from runtime.models.weights_sources import WeightsSource
from runtime.plan import schedules, stage_rules
from runtime.plan.schedules import ScheduleKind
from runtime.plan.stage_rules import RateRule, Recovery
from runtime.training import gradients, optimizers
from runtime.training.gradients import Clip
from runtime.training.optimizers import Optimizer

RATE = Number(0, 1, above=True)


def signs(args: Any, common: Any) -> Any:
    from runtime.training.update_rule import UpdateRule

    return UpdateRule(move_by_sign, 1, {"keep": args["keep"]}, **common)


def move_by_sign(at: Any, w: Any, grad: Any, m: Any, *, keep: float) -> None:
    m *= keep
    m += (1 - keep) * grad * at.scale
    w -= at.lr * m.sign()


def filled(base: Any, cut: Any, whole: Any) -> None:
    for _, part in cut.parts:
        for parameter in part.collect_params().values():
            parameter.set_data(parameter.data() * 0 + base.args["weights"].args["number"])


def flattened(params: Any, batch: int, *, to: float) -> None:
    for param in params:
        param.grad()[:] = to * batch


optimizers.OPTIMIZERS["signs"] = Optimizer(
    Entry(
        "signs",
        "Moves by the sign.",
        (
            *optimizers.SGD.entry.args,
            Arg("keep", RATE, "Share that is kept.", 0.9),
        ),
    ),
    signs,
    arrays=lambda args: 1,
    highest_lr=(0.02, 0.01),
    decoupled="adamw",
)
schedules.SCHEDULES["saw"] = ScheduleKind(
    Entry(
        "saw",
        "Begins anew.",
        (
            Arg("tooth", Duration(), "Length of one.", Default("1 epoch")),
            Arg("rests", ListOf(Duration()), "When nothing moves."),
            *schedules.CONSTANT.entry.args,
        ),
    ),
    lambda stage, tooth, rests: lambda step: 0.0 if step in rests else 1 - (step % tooth) / tooth,
    period="tooth",
    milestones="rests",
)
gradients.CLIPS["flat"] = Clip(Entry("flat", "All the same.", (Arg("to", RATE, "The element."),)), flattened)
stage_rules.RATE_RULES["harmonic"] = RateRule(
    Entry("harmonic", "One over the distance."), scale=lambda args, behind: 1 / (1 + behind)
)
stage_rules.RECOVERIES["crawl"] = Recovery(
    Entry("crawl", "Ever slower."), slowdown=lambda args, back: 0.01**back, times=lambda args: 7
)
stage_rules.STOP_RULES["patient"] = replace(
    stage_rules.EARLY, entry=replace(stage_rules.EARLY.entry, name="patient", doc="Waits.")
)
weights_sources.SOURCES["fill"] = WeightsSource(
    Entry("fill", "One number everywhere.", (Arg("number", Number(-1, 1), "The number.", 0.5),)),
    is_here=lambda name: name != "cifar_resnet56_v1",
    provenance=lambda base: (f"filled with {base.args['weights'].args['number']:g}", None),
    load=filled,
    normalization=lambda base: ((0.25,) * 3, (0.125,) * 3),
)

RECIPE = """ftr 1
base = gluoncv("cifar_resnet20_v1", weights = fill(0.25))
data {
  train = digits
  take  = 40 images
  size  = 32px
  batch = 8
}
stage "only" {
  train         = base.block3 .. head
  for           = 3 steps
  optimizer     = signs(keep = 0.5, LR)
  schedule      = saw(tooth = TOOTH steps, rests = [1 step, LAST steps])
  clip          = flat(0.5)
  lr_scale      = harmonic
  on_divergence = crawl
  stop          = patient
}
"""


def recipe(rate: str = "lr = 0.001", tooth: str = "2", last: str = "2") -> str:
    return RECIPE.replace("LR", rate).replace("TOOTH", tooth).replace("LAST", last)


def codes(text: str) -> list[str]:
    """Return the codes of a recipe's errors, else of its advice."""
    import runtime as ftr
    from recipe_lang.source import Source
    from runtime.compile.weights_advice import with_weights_advice

    try:
        return [problem.code for problem in with_weights_advice(ftr.check(ftr.parse(Source("r.ftr", text))))]
    except ftr.RecipeError as error:
        return [problem.code for problem in error.problems]


class Rates:
    """Keeps the rate of each step."""

    def __init__(self) -> None:
        self.rates: list[float] = []

    def checking(self, done: int, total: int) -> None:
        pass

    def __call__(self, event: object) -> None:
        if hasattr(event, "rate"):
            self.rates.append(event.rate)


def moved(params: Any, part: str) -> float:
    """Return how far the weights of a part are from what they were filled with, at most."""
    weights = [values for name, values in params.items() if name.startswith(part) and name.endswith(".weight")]
    return max(float(abs(values - 0.25).max()) for values in weights)


def main(folder: Path) -> None:
    import runtime as ftr
    from runtime.help.explain import explain_word

    names = ("signs", "saw", "flat", "harmonic", "crawl", "patient", "fill")
    told: dict[str, Any] = {
        "explained": {name: explain_word(name)[0] for name in names},
        "codes": {
            "right": codes(recipe()),
            "wrong name": codes(recipe().replace("signs(", "sings(")),
            "out of range": codes(recipe().replace("keep = 0.5", "keep = 2")),
            "places fall": codes(recipe(last="1")),
            "rate too high": codes(recipe("lr = 0.1")),
            "decays": codes(recipe("weight_decay = 0.1")),
            "never drops": codes(recipe(tooth="9")),
            "never stops": codes(recipe().replace("patient", "patient(patience = 3 steps)")),
            "weights elsewhere": codes(recipe().replace("resnet20", "resnet56")),
        },
        "loaded to check": sorted({"numpy", "mxnet"} & set(sys.modules)),
    }
    (folder / "r.ftr").write_text(recipe())
    prepared = ftr.prepare(folder / "r.ftr")
    stage, watch = prepared.plan.stages[0], Rates()
    run, _ = ftr.run(prepared, folder / "run", observers=[watch])
    params = ftr.load(run).model.arrays()
    told |= {
        "starts from": stage.starts_from,
        "mean": prepared.plan.data.mean,
        "scales": [part.lr_scale for part in stage.parts],
        "rates": watch.rates,
        "moved": {part: moved(params, part) for part in ("base.block1", "base.block3")},
        "lock": [line for line in (run / "recipe.ftr.lock").read_text().splitlines() if "filled" in line],
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
