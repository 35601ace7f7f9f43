"""The arrays that a running stage changes: from the network to a checkpoint, and back.

In go the network as a stage runs it and the state; out comes a `Snapshot`, or a network that stands where the
checkpoint was taken. Arrays are named `model/<parameter>`, `average/<parameter>` and
`optimizer/<number of the parameter>/<number>`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from recipe_lang.problem import RecipeError
from runtime.backend.mx import array, nd
from runtime.models.network import Model
from runtime.plan.types import Plan
from runtime.training.problems import CheckpointDoesNotFit
from runtime.training.state import Checkpoint, Snapshot, TrainState, Weights
from runtime.weights.params_file import Arrays

if TYPE_CHECKING:
    from runtime.training.stage import StageNet


def weights_of(net: StageNet) -> dict[str, Any]:
    """Copy what the stage can change of the network, by structural name."""
    nd.waitall()  # oneDNN reorders weights in place while a forward pass runs
    return {name: parameter.data().copy() for name, parameter in net.changing.items()}


def arrays_of(net: StageNet) -> dict[str, Any]:
    """Copy all that a step of the stage changes: the weights and the optimizer's arrays."""
    weights = {f"model/{name}": copy for name, copy in weights_of(net).items()}
    averaged = {f"average/{name}": values.copy() for name, values in net.average.arrays.items()}
    return weights | averaged | {name: each.copy() for name, each in _optimizer_arrays(net.update)}


def _optimizer_arrays(update: Any) -> Iterator[tuple[str, Any]]:
    for index, state in sorted(update._updaters[0].states.items()):
        each = state if isinstance(state, list | tuple) else [state]
        yield from ((f"optimizer/{index}/{number}", values) for number, values in enumerate(each) if values is not None)


def restore_arrays(net: StageNet, arrays: Mapping[str, Any], step: int) -> None:
    """Put back what `arrays_of` gave after so many steps of the stage; NDArrays or NumPy arrays.

    Raises:
        KeyError, ValueError: the arrays are not those of this network and optimizer.
    """
    left = dict(arrays)
    for name, parameter in net.changing.items():
        _set(parameter.data(), left.pop(f"model/{name}"), parameter.set_data)
    net.average.arrays.clear()
    for name in [name for name in left if name.startswith("average/")]:
        parameter = net.average.averaged[name.removeprefix("average/")]
        copy = parameter.data().copy()
        _set(copy, left.pop(name), partial(copy.__setitem__, slice(None)))
        net.average.arrays[name.removeprefix("average/")] = copy
    update = net.update
    update._init_kvstore()
    updater, optimizer = update._updaters[0], update._optimizer
    updater.states.clear()
    updater.states_synced.clear()
    trained = list(net.trained.values())
    if step:
        for index, parameter in enumerate(trained):
            updater.states[index] = optimizer.create_state_multi_precision(index, parameter.data())
            updater.states_synced[index] = True
    for name, values in _optimizer_arrays(update):
        _set(values, left.pop(name), partial(values.__setitem__, slice(None)))
    if left:
        raise KeyError(next(iter(left)))
    # Each step updates each parameter once, so that all counts are the stage's steps.
    optimizer._all_index_update_counts[0].clear()
    optimizer._all_index_update_counts[0].update(dict.fromkeys(range(len(trained)), step) if step else {})
    optimizer.num_update = step


def _set(old: Any, new: Any, put: Callable[[Any], None]) -> None:
    if tuple(new.shape) != tuple(old.shape) or new.dtype != old.dtype:
        raise ValueError(f"shape {new.shape}, not {old.shape}")
    put(new if isinstance(new, type(old)) else array(new, ctx=old.context))


def snapshot(state: TrainState, plan: Plan, model: Model, net: StageNet) -> Snapshot:
    """Return what a checkpoint is to hold of a running stage. Its arrays are read when it is written."""
    stage = state.stage + 1
    sets: dict[str, tuple[str, Callable[[], Arrays]]] = {"now": ("", lambda: _plain(arrays_of(net)))}
    if state.stage:
        sets["begun"] = (f"begun-{stage}.params", lambda: _plain(_begun(state, plan, model)))
    if state.best is not None and state.best.weights:
        sets["best"] = (f"best-{stage}-{state.best.epoch}.params", partial(_plain, state.best.weights))
    for each in state.ingredients:
        sets[f"soup-{each.epoch}"] = (f"soup-{stage}-{each.epoch}.params", partial(_plain, each.weights))
    if state.epoch_began_with:
        sets["epoch"] = (f"epoch-{stage}-{state.epoch + 1}.params", partial(_plain, state.epoch_began_with))
    return Snapshot(state.as_plain(), sets)


def _begun(state: TrainState, plan: Plan, model: Model) -> Weights:
    """Return all that the stages so far could change, as it was when the stage began."""
    nd.waitall()
    return {name: model.parameters[name].data() for name in _changed(state.stage, plan, model)} | dict(state.begun_with)


def _changed(stage: int, plan: Plan, model: Model) -> list[str]:
    first = min(each.cut for each in plan.stages[: stage + 1])
    behind = tuple(f"{part}." for part in list(model.parts)[first:])
    return [name for name in model.parameters if name.startswith(behind)]


def _plain(arrays: Mapping[str, Any]) -> Arrays:
    return {name: values.asnumpy() for name, values in arrays.items()}


def restore_start(model: Model, plan: Plan, checkpoint: Checkpoint) -> None:
    """Put the weights in place that the checkpoint's stage began with; before the stage's network is made.

    Raises:
        RecipeError: they are not those of this network.
    """
    stage = checkpoint.state.stage
    if stage == 0:
        return
    with _Fits(checkpoint):
        left = dict(checkpoint.arrays["begun"])
        for name in _changed(stage, plan, model):
            parameter = model.parameters[name]
            _set(parameter.data(), left.pop(name), parameter.set_data)


def restore_stage(state: TrainState, net: StageNet, checkpoint: Checkpoint) -> None:
    """Put a running stage where the checkpoint was taken: the network, its optimizer, and the state's weights.

    Raises:
        RecipeError: the checkpoint is of another network or optimizer.
    """
    with _Fits(checkpoint):
        restore_arrays(net, checkpoint.arrays["now"], state.step)
        if state.best is not None and "best" in checkpoint.arrays:
            state.best.weights = _like(checkpoint.arrays["best"], net)
        for each in state.ingredients:
            each.weights = _like(checkpoint.arrays[f"soup-{each.epoch}"], net)
        state.epoch_began_with = {name: array(values) for name, values in checkpoint.arrays.get("epoch", {}).items()}


def _like(arrays: Arrays, net: StageNet) -> Weights:
    if arrays.keys() != net.changing.keys():
        raise KeyError("best")
    found = {}
    for name, parameter in net.changing.items():
        found[name] = parameter.data().copy()
        _set(found[name], arrays[name], partial(found[name].__setitem__, slice(None)))
    return found


class _Fits:
    """Turns arrays that do not fit into the user's error."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, KeyError | ValueError):
            raise RecipeError(CheckpointDoesNotFit(number=self.checkpoint.number, reason=str(error))) from error
