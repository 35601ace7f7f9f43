"""The recipe that a study leaves: a child of the one that was searched, with the best values, and their evidence."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.words import counted
from runtime.system.files import replace_file
from runtime.workflows.tune.objectives import Objective
from runtime.workflows.tune.study import Finished, Study


def child_text(path: Path, parent: Path, recipe: CheckedRecipe, study: Study, objectives: Sequence[Objective]) -> str:
    """Return the text of a recipe at `path` that builds on `parent` with the best values of a study.

    There is a trial that came to its end. Parameters that were set for the whole study have those values.
    """
    best = study.best()[0]
    values = {**{each.name: each.value for each in recipe.params if each.was_set}, **best.texts}
    width = max(map(len, values))
    lines = [f"param {name:{width}} = {value}" for name, value in values.items()]
    comment = textwrap.wrap(_evidence(parent, study, objectives, best), 96)
    relative = os.path.relpath(parent.absolute(), path.absolute().parent)
    head = [*(f"# {line}" for line in comment), "ftr 1", f"extends {json.dumps(relative, ensure_ascii=False)}"]
    return "\n".join([*head, "", *lines, ""])


def _evidence(parent: Path, study: Study, objectives: Sequence[Objective], best: Finished) -> str:
    """Say how good the values are, beside the recipe's own and the others."""
    finished, known = study.finished(), study.definition
    first = objectives[0]
    assert best.values is not None
    said = [
        f"The best of {counted(len(finished), 'trial')} of `ftr tune {parent.name}` (sampler {known.sampler}, pruner"
        f" {known.pruner}, seed {known.seed}):"
    ]
    said += [
        ", ".join(f"{each.title} {each.text(value)}" for each, value in zip(objectives, best.values, strict=True)) + "."
    ]
    whole = [each.values[0] for each in finished if each.values is not None]
    default = next((each for each in finished if each.texts == study.own and each.values), None)
    if default and default.values:
        said.append(f"The recipe's own values gave {first.title} {first.text(default.values[0])}.")
    if len(whole) > 3:
        low, _, high = quantiles(whole, n=4, method="inclusive")
        half = f"from {first.text(low)} to {first.text(high)}"
        said.append(f"Half of the {len(whole)} trials that trained to their end lie {half}.")
    said.append("Values that were chosen by validation look better there than on new images.")
    return " ".join(said)


def write_child(path: Path, text: str) -> None:
    """Write it, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    replace_file(path, [text.encode()])
