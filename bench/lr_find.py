"""Does the range test's valley find a good rate, and does it say so where there is none?

For each stage of some recipes: the test as `ftr lr-find` makes it, and the stage trained at each rate of a grid from
the same weights; the loss on the validation images says which rate is best. It writes `docs/lr-find.md`:

    python bench/lr_find.py --write docs/lr-find.md

It takes minutes for each recipe; what was measured is kept in `--state`, and another start goes on there.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from frozen_page import table  # noqa: E402

from runtime.plan.types import StagePlan  # noqa: E402
from runtime.training.events import Tested  # noqa: E402
from runtime.training.loop import train  # noqa: E402
from runtime.training.range_test import RateCurve, range_test  # noqa: E402
from runtime.training.settings import RunSettings  # noqa: E402
from runtime.training.stage import Session  # noqa: E402
from runtime.training.state import TrainState  # noqa: E402
from runtime.workflows.preparation import prepare  # noqa: E402
from runtime.workflows.run import ready_session  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ("digits", "solar-cells", "scenes-masks")
FACTORS = (0.01, 0.1, 0.316, 1.0, 3.16, 10.0)  # of the recipe's rate
Row = dict[str, Any]


def measured(name: str, state: dict[str, Row], keep: Any) -> None:
    """Measure what is missing of a recipe's stages."""
    prepared = prepare(ROOT / "recipes" / f"{name}.ftr")
    positions = [stage.position for stage in prepared.plan.stages]
    if all(f"{name} {position}" in state for position in positions):
        return
    with ready_session(prepared, RunSettings()) as (session, _):
        for position in positions:
            begun = session.model.arrays()
            stage = session.plan.stages[position]
            began = time.monotonic()
            curve = range_test(replace(session, state=TrainState(position)), stage)
            seconds = time.monotonic() - began
            row: Row = {"title": stage.title, "lr": stage.optimizer.args["lr"], "seconds": seconds}
            row |= {"rates": curve.rates, "losses": curve.losses}
            tried: dict[str, float] = {}
            valley = curve.suggestions().get("valley")
            rates = {f"{row['lr'] * factor:.3g}" for factor in FACTORS} | ({f"{valley:.3g}"} if valley else set())
            for rate in sorted(rates, key=float):
                session.model.load(begun, "the bench")
                tried[rate] = valid_loss(session, stage, float(rate))
                print(f"{name} {stage.title} {rate}: {tried[rate]:.4f}", file=sys.stderr, flush=True)
            row["tried"] = tried
            state[f"{name} {position}"] = row
            keep()
            session.model.load(begun, "the bench")
            if position < len(positions) - 1:
                valid_loss(session, stage, row["lr"])


def valid_loss(session: Session, stage: StagePlan, rate: float) -> float:
    """Train a stage at a rate; return the loss of what it hands on, on the validation images."""
    at = replace(stage, optimizer=replace(stage.optimizer, args={**stage.optimizer.args, "lr": rate}))
    plan = replace(session.plan, stages=(*session.plan.stages[: stage.position], at))
    try:
        with closing(train(replace(session, plan=plan, state=TrainState(stage.position)))) as events:
            for event in events:
                if isinstance(event, Tested) and event.set == "valid":
                    return event.report.values["loss"]
    except Exception as fault:  # a rate that diverges
        print(fault, file=sys.stderr)
    return math.inf


def page(state: dict[str, Row]) -> Iterator[str]:
    """Yield the lines of the page."""
    yield "# Does the range test find a good learning rate?\n"
    yield _ABOUT
    lines, valleys, suggested = [], 0, []
    for key, row in state.items():
        curve = RateCurve(tuple(row["rates"]), tuple(row["losses"]))
        tried = {float(rate): loss for rate, loss in row["tried"].items()}
        valley = curve.suggestions().get("valley", math.nan)
        near = min(tried, key=lambda rate: abs(math.log(rate / valley)))
        best = min(tried, key=lambda rate: tried[rate])
        own = min(tried, key=lambda rate: abs(math.log(rate / row["lr"])))
        spread = max(curve.suggestions().values()) / min(curve.suggestions().values())
        valleys += curve.has_valley
        if curve.has_valley:
            suggested.append((tried[near], tried[own]))
        says = f"{valley:.1e}" if curve.has_valley else "no valley"
        each = [f"{rate:.1e}: {tried[rate]:.3f}" for rate in (own, near, best)]
        name = f"{key.split()[0]}, {row['title']}"
        lines.append((name, f"{curve.fall:.1f}", says, *each, f"{best / valley:.2g}", f"{spread:.2g}"))
    heads = ("stage", "fall", "says", "recipe's", "valley's", "best tried", "best / valley", "spread")
    yield table(heads, lines)
    better = sum(found < own for found, own in suggested)
    yield (
        f"\nOf {len(lines)} stages {valleys} have a valley. There its rate is better than the recipe's in {better}: "
        "`ftr new` therefore keeps its constants, which `bench/sizes.py` measured, and does not run the test.\n"
    )


_ABOUT = """`python bench/lr_find.py --write docs/lr-find.md`. For each stage of some recipes: the range test as
`ftr lr-find` makes it, and the stage trained from the same weights at rates from a hundredth of the recipe's to ten
times that. Cells are a rate and the loss on the validation images that it led to, of one seed.

`fall` is how far the loss falls during the test, in standard errors of its noise: from the mean of the first 30 losses,
whose rates are next to 0, to the lowest mean of 10 in a row. Below 5 `ftr lr-find` says "no valley": fewer than one of
a thousand curves of noise alone fall by that (99% by less than 3.7). Behind a head that is trained already the loss
hardly falls, and what the method would suggest lies far below the best rate. `best / valley` is how far off it is, and
`spread` the highest suggestion of the four methods over the lowest.
"""


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", default=RECIPES)
    parser.add_argument("--state", type=Path, default=Path("lr-find.json"))
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    state: dict[str, Row] = json.loads(options.state.read_text()) if options.state.exists() else {}
    for name in options.recipes:
        measured(name, state, lambda: options.state.write_text(json.dumps(state)))
    text = "\n".join(page(state)).rstrip() + "\n"
    if options.write:
        options.write.write_text(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
