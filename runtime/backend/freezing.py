"""Make a stage train what it names, and leave everything else exactly as it is.

In: the net's parts in order and the parameters that the stage trains. Out: the same blocks, set for the
stage, and for each part the parameters that get a gradient. A frozen part changes in no way and behaves as
in prediction:

* its parameters have no gradient, and the trainer never gets them: no decay, no L1;
* its batch norms use their running statistics and do not move them. Without a gradient request alone, such
  a norm would still normalize by the batch, and would move wherever gradient flows through it;
* its dropout passes everything.

What a block was built with is noted on the block itself, so that every call starts from there (stages need
not be undone) and a copy of the net has it too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from runtime.backend.mx import nn


def prepare_stage(
    parts: Sequence[tuple[str, Any]], trained: Collection[Any], norm_frozen: bool = False
) -> dict[str, tuple[Any, ...]]:
    """Set all parts for a stage that trains the Parameters `trained`; return what each part trains, in order.

    `parts` are pairs of name and HybridBlock. With `norm_frozen` the norms of trained parts are frozen too:
    statistics, scale and shift. Parts do not depend on each other: those whose norms are to be frozen and
    those whose norms train can be prepared by two calls.

    A batch norm trains where its scale or its shift does; one with neither goes with its part. (Built without
    scale it has one all the same, a constant that MXNet sets to 1 in each forward pass.) A part without
    any parameter is left as built. A Parameter that two parts share is returned with the first.

    Graphs that the parts have cached are dropped, but a block around the parts that the caller hybridized
    has a graph of its own: make it, or hybridize it again, after this call. The inside of a SymbolBlock
    is out of reach: it may be trained, or stand before the cut.
    """
    wanted = set(trained)
    given: set[Any] = set()
    result = {}
    for name, part in parts:
        parameters = list(part.collect_params().values())
        norms = {p for block in _blocks(part) for p in _scale_and_shift(block)} if norm_frozen else set()
        live = [p for p in parameters if p in wanted and p not in norms and p._differentiable]
        _request_gradients(parameters, set(live))
        _set_norms(part, set(live), part_trains=bool(live) and not norm_frozen)
        _set_dropout(part, passes=bool(parameters) and not live)
        for block in _blocks(part):
            block._clear_cached_op()
        result[name] = tuple(p for p in live if p not in given)
        given.update(live)
    return result


def cut(part_trains: Sequence[bool]) -> int:
    """Return the index of the first part that trains anything, the number of parts if none does.

    All parts before it can run outside of `autograd.record`, in predict mode.
    """
    return next((index for index, trains in enumerate(part_trains) if trains), len(part_trains))


def dropouts(block: Any) -> list[Any]:
    """Return the dropout layers of a block, those too that pass everything."""
    return [each for each in _blocks(block) if isinstance(each, nn.Dropout)]


def drops(block: Any) -> bool:
    """Whether a block, as it is set now, drops anything in training."""
    return any(each._rate > 0 for each in dropouts(block))


def still_statistics(part: Any) -> set[Any]:
    """Return the Parameters of a part that hold statistics which training, as it is set now, does not move."""
    norms = [each for each in _blocks(part) if getattr(each, "_kwargs", {}).get("use_global_stats")]
    return {each._reg_params[name] for each in norms for name in ("running_mean", "running_var")}


def _blocks(block: Any) -> Iterator[Any]:
    yield block
    for child in block._children.values():
        yield from _blocks(child)


def _scale_and_shift(block: Any) -> list[Any]:
    """Return a norm's gamma and beta as far as it has them; nothing for other blocks."""
    own = [block._reg_params.get(name) for name in ("gamma", "beta")]
    return [p for p in own if p is not None and p._differentiable]


def _request_gradients(parameters: Sequence[Any], live: Collection[Any]) -> None:
    for param in parameters:
        param.grad_req = "write" if param in live else "null"


def _set_norms(part: Any, live: Collection[Any], *, part_trains: bool) -> None:
    for block in _blocks(part):
        settings = getattr(block, "_kwargs", {})
        if "use_global_stats" not in settings:
            continue
        own = _scale_and_shift(block)
        trains = any(p in live for p in own) if own else part_trains
        built = block.__dict__.setdefault("_built_global_stats", settings["use_global_stats"])
        settings["use_global_stats"] = built or not trains


def _set_dropout(part: Any, *, passes: bool) -> None:
    for block in dropouts(part):
        built = block.__dict__.setdefault("_built_rate", block._rate)
        block._rate = 0.0 if passes else built
