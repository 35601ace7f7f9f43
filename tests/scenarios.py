"""What the examples of errors tell of: the files that there are, and what is done with the text.

`outcome(code, example, folder, right)` makes the files of a code's example in the folder, uses one of its two texts and
returns the rendered problems; the folder of the files is the current one meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hosted import hosted
from scenario_images import IMAGES
from scenario_machines import PATCHES, with_hub, with_hub_of_weights
from scenario_runs import RUNS, typed
from scenario_uses import USES, checked_json, checked_recipe

from recipe_lang.output.render import render
from recipe_lang.problem import RecipeError
from runtime.help.examples import Example

GIVEN = IMAGES | RUNS


def outcome(code: str, example: Example, folder: Path, right: bool) -> str:
    """Return the rendered problems of one of an example's two texts; empty where there are none."""
    text = example.right if right else example.wrong
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("COLUMNS", "FORCE_COLOR"):
            patch.delenv(name, raising=False)
        if code in GIVEN:
            GIVEN[code](right)
        if code in PATCHES and (not right or PATCHES[code] in (with_hub, with_hub_of_weights)):
            PATCHES[code](patch)
        if example.inside == "shell":
            shown = typed(text)
        else:
            whole = text if example.inside in ("python", "json") else hosted(text, example.inside)
            shown = _rendered(
                lambda: USES.get(code, checked_json if example.inside == "json" else checked_recipe)(whole)
            )
    return shown.replace(str(folder), "/home/me")


def _rendered(work: Callable[[], Any]) -> str:
    try:
        checked = work()
    except RecipeError as error:
        return "\n\n".join(render(problem) for problem in error.problems if problem.is_error)
    return "\n\n".join(render(problem) for problem in getattr(checked, "advice", ()))


def codes_in(shown: str) -> list[str]:
    """Return the codes of rendered problems, in order."""
    return re.findall(r"^(?:error|advice)\[(\w+)\]", shown, re.MULTILINE)
