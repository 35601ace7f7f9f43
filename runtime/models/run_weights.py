"""The weights of a run of ours as those of the next one's base.

In goes a plan's base whose weights are `run(…)` or `pack(…)`. The parent's parameters have the names that ours have,
since its base is the same network: they are put in by name. Its head comes along where the recipe keeps it and both
predict the same, or where it is extended: rows of new classes then follow those of the parent's.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from recipe_lang.problem import Kind, Problem, RecipeError
from runtime.weights import run_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from runtime.models.base import Base, Normalization
    from runtime.plan.types import Component

HeadNotKept = Kind(
    "W781",
    "head not kept",
    reason="""A trained head answers in the classes, or numbers, of its own run. Where the recipe predicts others, the
    parent's head says nothing of them: its layers are taken, their weights are not.""",
    source="https://arxiv.org/abs/1411.1792",
    fields="path reason",
    message="the head of {path} is not kept: {reason}; its layers start from random weights",
    help="leave `head = kept` out, or take the same classes",
)


DecisionLeft = Kind(
    "W767",
    "decision left",
    reason="""What validation has decided of an earlier run, a threshold or a temperature, fits its classes and weights,
    not those of a run that goes on from it: the new run decides anew, or not at all.""",
    source="Guo et al., arXiv 1706.04599: a temperature is fitted to the network that it is for",
    fields="path decisions",
    message="{path} has {decisions}, which this run does not take over",
    help="nothing needs doing where that is meant; `calibrate = temperature` in `data` fits the probabilities anew",
)


def check(base: Component) -> None:
    """Refuse a parent whose weights cannot be had.

    Raises:
        RecipeError: they are not there.
    """
    from runtime.weights.bounded import open_bounded

    with run_files.weights_file(*_where(base)) as file, open_bounded(file):
        pass


def load(base: Component, cut: Base) -> None:
    """Give each part of the base what it had learned in the parent run.

    Raises:
        RecipeError: the weights cannot be read, or are of another network.
    """
    mine = {
        f"base.{part}.{name}": parameter
        for part, block in cut.parts
        for name, parameter in block._collect_params_with_prefix().items()
    }
    _fill(base, mine, "base.")


def load_head(base: Component, head: Mapping[str, Any]) -> None:
    """Give the head's parameters, by name, what they had learned in the parent run, where the plan keeps or extends it.

    Raises:
        RecipeError: the weights cannot be read, or the head is another one.
    """
    if base.args["weights"].args["head"] in ("kept", "extended"):
        _fill(base, head, "head.", known_rows(base))


def known_rows(base: Component) -> int:
    """Return how many outputs of the last layer are an earlier run's whose head is extended; 0 where it is not."""
    return int(getattr(base.args.get("weights"), "args", {}).get("known", 0))


def is_last(name: str, head: Iterable[str]) -> bool:
    """Whether a parameter of a head, by its name, is of the layer that gives the outputs."""
    return name.rpartition(".")[0] == [*head][-1].rpartition(".")[0]


def _with_new_rows(values: Any, rows: int) -> Any:
    """Return the weights or biases of outputs with those of new ones behind them: the mean of the known ones.

    The score of a new class is then the mean of the scores of the known ones, never above the highest of them: before
    the first step the network answers as it did.
    """
    import numpy as np

    mean = values.mean(axis=0, dtype=np.float64).astype(values.dtype)
    return np.concatenate([values, np.repeat(mean[None], rows, axis=0)])


def _fill(base: Component, mine: Mapping[str, Any], prefix: str, known: int = 0) -> None:
    from runtime.weights.assign import fill, fits
    from runtime.weights.params_file import read_params
    from runtime.weights.problems import WeightsDoNotFit

    path, stage = _where(base)
    with run_files.weights_file(path, stage) as file:
        arrays = {name: values for name, values in read_params(file).items() if name.startswith(prefix)}
    for name in [name for name in arrays if known and name in mine and is_last(name, mine)]:
        more = mine[name].shape[0] - known
        if more > 0 and len(arrays[name]) == known:
            arrays[name] = _with_new_rows(arrays[name], more)
    problem = WeightsDoNotFit(
        origin=f"`{path}`",
        missing=tuple(name for name in mine if name not in arrays),
        extra=tuple(name for name in arrays if name not in mine),
        misshaped=tuple(name for name, values in arrays.items() if name in mine and not fits(mine[name], values)),
    )
    if problem.missing or problem.extra or problem.misshaped:
        raise RecipeError(problem)
    for name, values in arrays.items():
        fill(mine[name], values)


def normalization(base: Component) -> Normalization | None:
    """Return mean and standard deviation that the parent's images had, where they are not those of its base."""
    args = base.args["weights"].args
    return None if args["mean"] is None else (args["mean"], args["std"])


def facts(base: Component) -> dict[str, str | int]:
    """Return what a lock says of the parent: its recipe's hash, and its weights' name, hash and size.

    Raises:
        RecipeError: they cannot be read.
    """
    from runtime.weights.params_file import sha256_of

    path, stage = _where(base)
    with run_files.weights_file(path, stage) as file:
        size = file.stat().st_size
        sums: dict[str, str | int] = {"sha256": sha256_of(file), "size": size}
        found = {"recipe": recipe_hash(path), "file": file.name, **sums}
    args = base.args["weights"].args
    return {**found, "classes": f"{known_rows(base)}, {args['order']}"} if known_rows(base) else found


def recipe_hash(path: Path) -> str:
    """Return the hash of a run's recipe, as its plan has it.

    Raises:
        RecipeError: its plan cannot be read.
    """
    plan = run_files.read_json(path, run_files.PLAN)
    found = plan.get("hash") if isinstance(plan, dict) else None
    if not isinstance(found, str) or not re.fullmatch("[0-9a-f]{64}", found):
        raise run_files.not_a_base(path, f"its `{run_files.PLAN}` is not that of a run")
    return found


def settled(base: Component, file: str, targets: Any) -> tuple[Component, tuple[Problem, ...]]:
    """Return a plan's base with what became of the parent's head, and advice where it is not kept though asked for.

    `file` is what the task calls the file of its targets, `targets` what the new run will have in it. Any base but one
    from a run comes back as it is.

    Raises:
        RecipeError: the parent's plan cannot be read.
    """
    weights: Any = base.args.get("weights")
    if getattr(weights, "name", "") not in ("run", "pack"):
        return base, ()
    path, _ = _where(base)
    args = {**weights.args, "recipe": recipe_hash(path)}
    if args["head"] == "extended":
        args |= _extension(path, file, targets)
        told = _decisions_left(path)
        return replace(base, args={**base.args, "weights": replace(weights, args=args)}), told
    reason = _difference(path, file, json.loads(json.dumps(targets))) if args["head"] == "kept" else ""
    if reason:
        args["head"] = "new"
    settled_base = replace(base, args={**base.args, "weights": replace(weights, args=args)})
    return settled_base, (HeadNotKept(path=str(path), reason=reason),) if reason else ()


def known_names(base: Any, file: str) -> tuple[str, ...]:
    """Return the classes, in their order, of the run whose head a base extends; none where it extends none.

    `base` is a call, a checked recipe's or a plan's; `file` is what the task calls the file of its targets.

    Raises:
        RecipeError: the parent cannot be read, or its outputs are not classes.
    """
    weights = base.args.get("weights")
    args = getattr(getattr(weights, "value", weights), "args", {})
    head = args.get("head")
    if getattr(head, "value", head) != "extended":
        return ()
    path = getattr(args["path"], "value", args["path"])
    try:
        plain = run_files.read_json(path, file)
    except RecipeError as error:
        raise run_files.not_a_base(path, f"its head cannot be extended: it has no `{file}`") from error
    if not isinstance(plain, list) or not plain or not all(isinstance(name, str) for name in plain):
        raise run_files.not_a_base(path, f"its `{file}` is not a list of classes")
    return tuple(plain)


def _extension(path: Path, file: str, targets: Any) -> dict[str, Any]:
    """Return what a plan says of a head that is extended: its classes, and what the parent had reached."""
    import hashlib

    known = run_files.read_json(path, file)
    order = hashlib.sha256(json.dumps(known).encode()).hexdigest()[:12]
    return {"known": len(known), "added": len(targets) - len(known), "order": order, "reached": _reached(path)}


def _reached(path: Path) -> dict[str, Any]:
    """Return the accuracy of the parent's own result, on its test set if it had one; empty where it says none."""
    for name, found in _results(path):
        images = found.get("images")
        if type(found.get("accuracy")) is float and type(images) is int:
            return {"set": name, "accuracy": found["accuracy"], "images": images}
    return {}


def _results(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what the parent's result says of its test set, and of its validation set, with their images."""
    try:
        result = run_files.read_json(path, "result.json")
    except RecipeError:
        return
    if isinstance(result, dict):
        images = result.get("images")
        for name in ("test", "valid"):
            found = result.get(name)
            if isinstance(found, dict):
                yield name, {**found, "images": images.get(name) if isinstance(images, dict) else None}


def _decisions_left(path: Path) -> tuple[Problem, ...]:
    found = dict(_results(path)).get("valid", {})
    decisions = [f"a {name} of {found[name]:.3g}" for name in _DECIDED if type(found.get(name)) is float]
    return (DecisionLeft(path=str(path), decisions=" and ".join(decisions)),) if decisions else ()


_DECIDED = ("threshold", "temperature")


def _difference(path: Path, file: str, targets: Any) -> str:
    """Say why a parent's head does not answer what the new run asks; empty where it does."""
    try:
        theirs = run_files.read_json(path, file)
    except RecipeError:
        return "it predicts something else"
    if theirs == targets:
        return ""
    if not (isinstance(theirs, list) and isinstance(targets, list)):
        return "its targets are not the same"
    known, wanted = map(str, theirs), map(str, targets)
    differs = sorted(set(known) ^ set(wanted))
    named = f", such as `{differs[0]}` in one of them only" if differs else ", in another order"
    return f"it has {len(theirs)} classes and this recipe {len(targets)}{named}"


def _where(base: Component) -> tuple[Path, int | None]:
    args = base.args["weights"].args
    return args["path"], args.get("stage")
