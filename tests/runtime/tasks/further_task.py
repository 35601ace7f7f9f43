"""A task that ftr does not have, several flags for each image, and what ftr then says and does: run on its own by
`test_further_task.py`.

It stands here alone, as a folder of `runtime/tasks/` would: nothing but its row is added, before anything has read the
catalog. Prints one JSON object.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe_lang.check.vocabulary import Entry
from runtime.data.listing import Listing
from runtime.data.targets import NUMBERS
from runtime.tasks import catalog
from runtime.tasks.protocol import LOSS, Agreement, CardWords, Loss, Measure, Metric, Served, Suggestion, Table, Task


@dataclass(frozen=True, slots=True)
class LabelFacts:
    labels: tuple[str, ...]
    counts: Mapping[str, tuple[int, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        return self.labels

    def as_file(self) -> Any:
        return self.labels

    def in_result(self) -> dict[str, Any]:
        return {"labels": list(self.labels)}

    def row(self) -> tuple[str, str]:
        return "labels", ", ".join(self.labels)

    def brief(self) -> str:
        return f" ({len(self.labels)} labels)"

    def outputs(self) -> str:
        return f"scores of the labels: {', '.join(self.labels)}"


@dataclass(frozen=True, slots=True)
class Labelled:
    image: str
    labels: tuple[tuple[str, float], ...] = ()
    error: str = ""

    def as_json(self) -> dict[str, Any]:
        return {"labels": dict(self.labels)}

    def rows(self) -> tuple[tuple[str, ...], ...]:
        return (tuple(f"{share:.6f}" for _, share in self.labels),) if self.labels else ()

    def text(self) -> str:
        return "  ".join(f"{name} {share:.3f}" for name, share in self.labels)


@dataclass(frozen=True, slots=True)
class LabelReport:
    values: Mapping[str, float]
    images: int

    def in_result(self) -> dict[str, Any]:
        return {}

    def as_json(self) -> dict[str, Any]:
        return {}

    def tables(self) -> Any:
        yield Table("labels", ("hamming",), ((f"{self.values['hamming']:.4f}",),))


class LabelEvaluator:
    def __init__(self, loss: Measure) -> None:
        self._loss = loss
        self._losses: list[float] = []
        self._right: list[float] = []

    def update(self, outputs: Any, targets: Any) -> None:
        self._losses += self._loss(outputs, targets).tolist()
        self._right += ((outputs > 0) == (targets > 0.5)).mean(axis=1).tolist()

    def badness(self) -> list[float]:
        return self._losses

    def report(self) -> LabelReport:
        count = len(self._right)
        return LabelReport({"loss": sum(self._losses) / count, "hamming": sum(self._right) / count}, count)


def bce(args: Mapping[str, Any]) -> Callable[[Any, Any, Any], Any]:
    return lambda F, outputs, targets: F.mean(  # noqa: N803
        F.relu(outputs) - outputs * targets + F.log1p(F.exp(-F.abs(outputs))), axis=1
    )


def measured(args: Mapping[str, Any], outputs: Any, targets: Any) -> Any:
    import numpy as np

    given = outputs.astype("float64")
    return (np.maximum(given, 0) - given * targets + np.log1p(np.exp(-abs(given)))).mean(axis=1)


class Flags(Task):
    name = "flags"
    doc = "Several flags for each image."
    target = NUMBERS
    outputs = "targets"
    head = "[dense(targets)]"
    loss = "flag_loss"
    monitor = "hamming"
    losses: tuple[Loss, ...] = (
        Loss(
            Entry(
                "flag_loss",
                "Cross entropy of each label.",
                formula="o the outputs, t 0 or 1\nloss = max(o, 0) - o t + log(1 + exp(-|o|))",
                source="gluon.loss.SigmoidBCELoss",
                examples=("task = flags\nloss = flag_loss",),
            ),
            bce,
            measured,
        ),
    )
    metrics: Mapping[str, Metric] = {"loss": LOSS, "hamming": Metric("Fraction of labels that are right.", True, "fit")}
    shown: tuple[str, ...] = ("hamming",)
    curves: tuple[str, ...] = ("hamming",)
    file = "labels.json"
    answers = "labels"
    key = "labels"

    def strata(self, listing: Listing) -> Mapping[str, int]:
        return {sample.id: 0 for sample in listing.samples}

    def align(self, listing: Listing, names: tuple[str, ...], set_name: str) -> Listing:
        return listing

    def facts(self, sets: Mapping[str, Listing]) -> LabelFacts:
        return LabelFacts(sets["train"].names, {name: (len(each.samples),) for name, each in sets.items()})

    def read(self, plain: Any, result: Mapping[str, Any]) -> LabelFacts:
        return LabelFacts(tuple(plain), {})

    def text(self, target: Any, names: tuple[str, ...]) -> str:
        return ", ".join(name for name, given in zip(names, target, strict=True) if given)

    def counted(self, names: tuple[str, ...]) -> str:
        return f"with {len(names)} labels"

    def collate(self, targets: Sequence[Any], facts: Any) -> Any:
        import numpy as np

        return np.array(targets, np.float32)

    def evaluator(self, facts: Any, measure: Measure) -> LabelEvaluator:
        return LabelEvaluator(measure)

    def predictions(self, outputs: Any, images: Sequence[str], facts: Any, top: int, plan: Any) -> list[Labelled]:
        shares = outputs.sigmoid()[: len(images)].asnumpy().tolist()
        pairs = zip(images, shares, strict=True)
        return [Labelled(name, tuple(zip(facts.names, row, strict=True))) for name, row in pairs]

    def draw(self, picture: Any, prediction: Any) -> None:
        from runtime.tasks.captions import caption

        caption(picture, [name for name, share in prediction.labels if share > 0.5])

    def unreadable(self, image: str, error: str) -> Labelled:
        return Labelled(image, error=error)

    def columns(self, facts: Any) -> tuple[str, ...]:
        return tuple(facts.names)

    def served(self, symbol: Any, facts: Any) -> Served:
        from runtime.backend.mx import mx

        return Served("probabilities", "probabilities of the labels", mx.sym.sigmoid(symbol))

    def agreement(self, prediction: Any, served: Any, facts: Any) -> Agreement:
        apart = max(abs(ours - float(theirs)) for (_, ours), theirs in zip(prediction.labels, served, strict=True))
        return Agreement(apart, same=apart < 1e-3)

    def suggest(self, train: Listing) -> Suggestion:
        return Suggestion(f"{len(train.names)} labels", metric="hamming", held="drawn at random", enough="they suffice")

    def card(self, facts: Any) -> CardWords:
        return CardWords(
            pipeline="",
            tag="flags",
            metrics=("hamming", "loss"),
            headline="hamming",
            sentence="Labels images.",
            warning="it may be wrong.",
            heading="Labels:",
            entries=facts.names,
            data="'csv(…)'",
        )


TASK = Flags()
catalog.TASKS[TASK.name] = TASK  # type: ignore[index]
catalog.METRICS.update(TASK.metrics)  # type: ignore[attr-defined]

RECIPE = """ftr 1
name = "colours"
task = flags
base = gluoncv("cifar_resnet20_v1", weights = none)
data {
  train = csv("all.csv", image = "file", target = ["red", "blue"])
  valid = holdout(25%)
  size  = 32px
  batch = 8
}
stage "all" {
  train     = head
  for       = 2 epochs
  optimizer = adam(lr = 5e-3)
  monitor   = valid.hamming
}
expect { valid.hamming >= 40% }
"""


def make_table(folder: Path) -> None:
    """Write plain images, red, blue, both or none."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    rows = []
    for number in range(60):
        red, blue = number % 2, number // 2 % 2
        noise = random.integers(0, 40, (32, 32, 3))
        pixels = np.clip(np.array([200 * red, 0, 200 * blue]) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        rows.append((f"{number}.png", red, blue))
    with (folder / "all.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "red", "blue"), *rows])


def call(*args: object) -> dict[str, Any]:
    """Return what a command says, and its exit code."""
    from runtime.cli import app

    out, err = io.StringIO(), io.StringIO()
    code: Any = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            app(args=[str(arg) for arg in args], prog_name="ftr")
        except SystemExit as ended:
            code = ended.code
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()}


def main(folder: Path) -> None:
    make_table(folder)
    recipe, run = folder / "colours.ftr", folder / "run"
    recipe.write_text(RECIPE)
    told = {
        "explain": call("explain", "flag_loss"),
        "check": call("check", recipe),
        "plan": call("plan", recipe, "--all"),
        "data": call("data", "check", recipe),
        "run": call("run", recipe, "--out", run, "--quiet"),
        "evaluate": call("evaluate", run, "--json"),
        "predict": call("predict", run, folder / "3.png", "--csv"),
        "draw": call("predict", run, folder / "3.png", "--draw", folder / "drawn"),
        "runs": call("runs", folder),
        "lock": call("lock", recipe),
        "pack": call("pack", run, "--out", folder / "colours.ftrpack"),
        "packed": call("predict", folder / "colours.ftrpack", folder / "3.png", "--json"),
        "export": call("export", run, "--out", folder / "model"),
        "new": call("new", folder / "all.csv", "--task", "flags", "--out", folder / "new.ftr"),
        "wrong": None,
    }
    recipe.write_text(RECIPE.replace('csv("all.csv", image = "file", target = ["red", "blue"])', "digits"))
    told["wrong"] = call("check", recipe)
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
