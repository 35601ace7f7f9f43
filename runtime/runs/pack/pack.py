"""A run folder as a pack, and back: `pack_run(folder, out)`, `unpack(pack, out)`.

The data never goes into a pack, and neither do the paths of the machine that the run ran on: `resolved.ftr`,
`plan.json` and what `result.json` says of skipped images are written anew, with the paths as the recipe writes them. A
pack takes the place of a recipe or of a run, and such paths then start from the folder that it lies in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recipe_lang.check.checked import CallValue, CheckedRecipe
from recipe_lang.compose.load import parse
from recipe_lang.output.resolved import print_recipe
from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from recipe_lang.syntax.parser import read_source
from recipe_lang.words import printable
from runtime.compile.components import component
from runtime.plan.types import TargetFacts, as_json
from runtime.runs.exports import exports_of
from runtime.runs.folder import create_folder, read_json, read_targets, writing, written_recipe
from runtime.runs.lock.file import LOCK, read_lock
from runtime.runs.own_graph import naming_own_graph
from runtime.runs.pack.file import MEMBERS, open_pack, write_pack
from runtime.runs.pack.problems import FileExists
from runtime.runs.pack.signature import PACK_ENDING
from runtime.system.best_effort import attempt
from runtime.system.files import placed
from runtime.tasks.catalog import task_of
from runtime.tasks.protocol import Task
from runtime.training.problems import NotARun
from runtime.vocabulary import VOCABULARY

_HERE = "/thefolderofthepack"  # stands for it while the recipe is printed: what is printed has absolute paths


@dataclass(frozen=True, slots=True, eq=False)
class Card:
    """What a card tells: `recipe` with paths as written, its `text`, task and targets, and the run's `result.json`."""

    recipe: CheckedRecipe
    text: str
    name: str
    task: Task
    targets: TargetFacts
    result: Mapping[str, Any]
    licence: str  # an identifier of the hub, such as `apache-2.0`; empty where nobody says it
    weights: bool
    exports: Mapping[str, str]  # what the run's lock says of each file that was exported


def pack_run(
    folder: Path,
    out: Path | None = None,
    *,
    weights: bool = True,
    licence: str = "",
    force: bool = False,
    card_text: Callable[[Card], str] | None = None,
) -> tuple[Path, list[str]]:
    """Pack the folder of a run; return the pack, and what whoever gives it away should know.

    That is what others need beside it (paths of this machine, the list that `exclude` names, the teacher; folders of
    data go without saying), and that the run has not ended.

    `card_text` writes the model card; without it the pack has none.
    Without `out`, or in it where it is a folder, the pack is called as the run's folder; without `force`
    no file is written over.

    Raises:
        RecipeError: the folder is not that of a run, or the pack cannot be written.
    """
    path = placed(out, f"{folder.resolve().name}{PACK_ENDING}")
    if path.exists() and not force:
        raise RecipeError(FileExists(path=str(path)))
    try:
        members, notes = _members(folder, weights, licence, card_text)
    except RecursionError:
        raise RecipeError(NotARun(path=str(folder), reason="a file of it is nested too deeply")) from None
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_pack(path, members)
    return path, notes


def unpack(pack: Path, out: Path | None = None) -> Path:
    """Write the content of a pack into a new folder, called as the pack is; return the folder.

    Raises:
        RecipeError: the pack is refused, the folder holds something already, or it cannot be written.
    """
    with open_pack(pack) as found:
        folder = create_folder(out or Path(pack.name.removesuffix(PACK_ENDING)), pack.name)
        with writing(folder):
            found.extract(folder)
    return folder


def _members(
    folder: Path, weights: bool, licence: str, card_text: Callable[[Card], str] | None
) -> tuple[dict[str, Path | bytes], list[str]]:
    result = read_json(folder, "result.json")
    if not isinstance(result, dict):
        raise RecipeError(NotARun(path=str(folder), reason="`result.json` is not that of a run"))
    text = read_source(folder / "recipe.ftr").text
    recipe = _recipe(Source(f"{_HERE}/recipe.ftr", text), result, folder)
    task = task_of(recipe)
    targets = read_targets(folder, task, result)
    left_out = {"model.params"} if not weights else set()
    members: dict[str, Path | bytes] = {
        name: folder / name for name in MEMBERS if name not in left_out and (folder / name).is_file()
    }
    members["resolved.ftr"] = _relative(print_recipe(recipe, VOCABULARY)).encode()
    members["plan.json"] = _relative(_portable_plan(folder, recipe)).encode("utf-8", "backslashreplace")
    if skipped := result.get("skipped_images"):
        members["result.json"] = _as_json({**result, "skipped_images": _names(skipped)}).encode(
            "utf-8", "backslashreplace"
        )
    name = recipe["name"] or str(result.get("recipe") or folder.name)
    card = Card(recipe, text, name, task, targets, result, licence, "model.params" in members, _exports(folder))

    def add_card() -> None:
        if card_text is not None:
            members["README.md"] = _relative(card_text(card)).encode("utf-8", "replace")

    failed = attempt(add_card)
    absolute = {str(path) for path in _paths(recipe) if not path.is_relative_to(_HERE)}
    excluded = recipe.block("data")["exclude"]
    teacher = recipe["teacher"]["path"] if recipe["teacher"] else None
    needed = sorted(absolute | {_relative(str(path)) for path in (excluded, teacher) if path})
    return members, [
        *([f"the pack has no model card: {failed}"] if failed else []),
        *_unfinished(result),
        *map(_missing, needed),
    ]


def _recipe(source: Source, result: dict[str, Any], folder: Path) -> CheckedRecipe:
    """Return a run's recipe as written; which parts a base has that is a graph, the one in the folder says."""
    tree = parse(source)
    named = written_recipe(tree, result)
    whole = written_recipe(naming_own_graph(tree, folder), result)
    return replace(whole, fields={**whole.fields, "base": named.fields["base"]})


def _exports(folder: Path) -> dict[str, str]:
    return exports_of(read_lock(folder / LOCK)) if (folder / LOCK).is_file() else {}


def _unfinished(result: dict[str, Any]) -> list[str]:
    status = result.get("status")
    return [] if status == "finished" else [f"the run is not finished but {printable(status)}; its card says so"]


def _missing(path: str) -> str:
    better = "better is a relative path" if path.startswith("/") else "share it too"
    return f"the recipe names {printable(path)}, which the pack does not hold: {better}"


def _relative(text: str) -> str:
    return text.replace(f"{_HERE}/", "").replace(_HERE, ".")


def _portable_plan(folder: Path, recipe: CheckedRecipe) -> str:
    """Return `plan.json` without the paths of the machine: those of base, teacher and sources, and of places."""
    plan = _without_folders(read_json(folder, "plan.json"))
    if not isinstance(plan, dict) or not isinstance(plan.get("data"), dict):
        raise RecipeError(NotARun(path=str(folder), reason="`plan.json` is not that of a run"))
    fields = recipe.block("data").fields
    plan["base"] = as_json(component(recipe.fields["base"]))
    if isinstance(plan.get("teacher"), dict) and recipe["teacher"] is not None:
        plan["teacher"]["source"] = as_json(component(recipe.fields["teacher"]))
    sets = ((name, fields[name]) for name in ("train", "valid", "test") if name in fields)
    plan["data"]["sources"] = {name: as_json(component(value)) for name, value in sets if value.value is not None}
    return _as_json(plan)


def _names(skipped: Any) -> list[list[str]]:
    """Return skipped images with their names, and not where they lay."""
    pairs = skipped if isinstance(skipped, list) else []
    return [[Path(str(pair[0])).name, *map(str, pair[1:])] for pair in pairs if isinstance(pair, list) and pair]


def _as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _without_folders(value: Any) -> Any:
    match value:
        case dict():
            return {
                key: Path(item).name if key == "place" and isinstance(item, str) else _without_folders(item)
                for key, item in value.items()
            }
        case list():
            return [_without_folders(item) for item in value]
        case _:
            return value


def _paths(recipe: CheckedRecipe) -> Iterator[Path]:
    """Yield the paths in a recipe: they are arguments of its base, of its teacher and of its sources."""
    for value in (recipe.fields["base"], recipe.fields["teacher"], *recipe.block("data").fields.values()):
        todo = [value.value]
        for each in todo:
            if isinstance(each, Path):
                yield each
            elif isinstance(each, CallValue):
                todo += [arg.value for arg in each.args.values()]
