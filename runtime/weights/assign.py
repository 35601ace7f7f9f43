"""Put arrays from a file into a Gluon network.

In goes a network and a dictionary of arrays; the network's parameters are set, all of them or none. Three
ways of naming are understood: by structure (``features.0.weight``, from `save_parameters`), with the
network's prefix (``resnetv10_conv0_weight``, from `collect_params().save`), and that with ``arg:`` or
``aux:`` before it (from `export`). The counter in a prefix (``resnetv10_``, ``resnetv11_``) depends on what
the writing process had built before, so prefixes are taken off first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from recipe_lang.problem import RecipeError
from recipe_lang.words import counted
from runtime.backend.mx import mx
from runtime.weights.problems import DamagedWeights, WeightsDoNotFit

Array = np.ndarray[Any, Any]
Parameter = Any  # mxnet.gluon.Parameter


def load_into(
    net: Any,
    arrays: Mapping[str, Array],
    origin: str,
    except_parameters: frozenset[str] = frozenset(),
) -> None:
    """Set every parameter of a network from arrays, and leave none of the arrays unused.

    Parameters need not be initialized, and their shapes may be unknown: both then come from the arrays.
    Floating numbers are converted to the parameter's own type.

    Args:
        net: a Gluon block. With prefixed names, load before its classifier is replaced: a new one has a new
            name.
        arrays: the arrays by name.
        origin: where they come from, for the message.
        except_parameters: structural names (``output.weight``) that keep what they have; arrays for them
            are ignored.

    Raises:
        RecipeError: names or shapes do not fit; the network is then unchanged.
    """
    structural = net._collect_params_with_prefix()  # what save_parameters writes; MXNet 1.9.1 is final
    left_alone = {id(structural[name]) for name in except_parameters}
    given, parameters = _best_names(net, structural, arrays)
    settled = left_alone | {id(parameters[name]) for name in given if name in parameters}
    names = {id(parameter): name for name, parameter in structural.items()}
    pairs = [
        (parameters[name], array)
        for name, array in given.items()
        if name in parameters and id(parameters[name]) not in left_alone
    ]
    problem = WeightsDoNotFit(
        origin=origin,
        # A shared parameter has several names, and one of them is enough.
        missing=tuple(name for key, name in names.items() if key not in settled),
        extra=tuple(name for name in given if name not in parameters),
        misshaped=tuple(names[id(parameter)] for parameter, array in pairs if not fits(parameter, array)),
    )
    if problem.missing or problem.extra or problem.misshaped:
        raise RecipeError(problem)
    for parameter, array in pairs:
        fill(parameter, array)


def refuse_not_finite(arrays: Mapping[str, Array], path: Path) -> None:
    """Refuse the weights of a file of which some are no numbers, or infinite.

    Raises:
        RecipeError: there are such.
    """
    for name, array in arrays.items():
        if array.dtype.kind == "f" and (count := int(array.size - np.isfinite(array).sum())):
            reason = f"`{name}` holds {counted(count, 'number')} that {'is' if count == 1 else 'are'} not finite"
            raise RecipeError(DamagedWeights(path=str(path), reason=reason))


def structural_arrays(net: Any, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return those arrays that are of a network's parameters, by the structural names."""
    structural = net._collect_params_with_prefix()
    given, parameters = _best_names(net, structural, arrays)
    names = {id(parameter): name for name, parameter in structural.items()}
    return {names[id(parameters[name])]: array for name, array in given.items() if name in parameters}


def fits(parameter: Parameter, array: Array) -> bool:
    """Tell whether an array has a parameter's shape (unknown sides fit anything) and kind of number."""
    shape = parameter.shape or array.shape
    same_rank = len(shape) == array.ndim
    both_floating = np.issubdtype(parameter.dtype, np.floating) and np.issubdtype(array.dtype, np.floating)
    return (
        same_rank
        and all(want in (0, -1, have) for want, have in zip(shape, array.shape, strict=True))
        and (both_floating or np.dtype(parameter.dtype) == array.dtype)
    )


def fill(parameter: Parameter, array: Array) -> None:
    """Set a parameter, initialized or not, from an array that fits it."""
    # Not nd.array: it first asks SciPy about sparse matrices, at the price of a warning and half of the time.
    data = mx.nd.ndarray.array(array, dtype=parameter.dtype, ctx=mx.cpu())
    parameter._load_init(data, None)  # as load_parameters does: no random numbers are drawn before


def _best_names(
    net: Any, structural: Mapping[str, Parameter], arrays: Mapping[str, Array]
) -> tuple[dict[str, Array], dict[str, Parameter]]:
    """Return the arrays and the parameters under the names by which most of them meet."""
    short = {_without(name, "arg:", "aux:"): array for name, array in arrays.items()}
    if len(short) != len(arrays):
        short = dict(arrays)  # one name in both sections: leave it to be reported
    prefixed = {_without(name, net.prefix): parameter for name, parameter in net.collect_params().items()}
    ways = [(short, dict(structural))]
    for prefix in _prefixes(short):
        stripped = {_without(name, prefix): array for name, array in short.items()}
        if len(stripped) == len(short):
            ways.append((stripped, prefixed))
    return max(ways, key=lambda way: len(way[0].keys() & way[1].keys()))


def _prefixes(names: Iterable[str]) -> Iterator[str]:
    """Yield what may stand before every name: nothing, or the first name up to one of its underscores."""
    yield ""
    first = next(iter(names), "")
    yield from (first[: at + 1] for at, char in enumerate(first[:200]) if char == "_")


def _without(name: str, *prefixes: str) -> str:
    for prefix in prefixes:
        if name.startswith(prefix):
            return name[len(prefix) :]
    return name
