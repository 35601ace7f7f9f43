"""How long a regular expression of unknown origin may take: `longest_text(expression)`.

Python's matcher backtracks: `(a+)+$` doubles its time with each letter. In goes an expression; out comes the length up
to which a text is matched in bounded time, from an upper bound on the ways in which the expression can fit a text.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from math import exp, inf, log
from typing import Any

_parser: Any = import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")

_WAYS = log(1e9)  # three repeats one after another on 1,000 characters; a sixth of them are tried, in a second or two
_LENGTHS = (4096, 2048, 1024, 768, 512, 384, 256, 192, 160, 128, 96, 64)  # a path of a system has up to 4096 bytes
_REPEATS = {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}


def longest_text(expression: str) -> int:
    """Return how long a text may be that an expression is matched with; 0 where not even a short path may.

    Raises:
        re.error: it is no regular expression.
    """
    parsed = _parser.parse(expression)
    return next((length for length in _LENGTHS if _ways(parsed, length) <= _WAYS), 0)


def _ways(items: Iterable[Any], length: int) -> float:
    """Return the logarithm of an upper bound on the ways to fit items, one after another, to a text."""
    return sum(_item_ways(str(kind), argument, length) for kind, argument in items)


def _item_ways(kind: str, argument: Any, length: int) -> float:
    if kind in _REPEATS:
        least, most, inner = argument
        least, most = (min(int(count), length) for count in (least, most))
        within = _ways(inner, length)
        return (within * most if within else 0.0) + log(most - least + 1)
    if kind == "BRANCH":
        return _any_of(_ways(each, length) for each in argument[1])
    if kind == "GROUPREF_EXISTS":
        return _any_of(_ways(each, length) for each in argument[1:] if each is not None)
    if kind == "SUBPATTERN":
        return _ways(argument[-1], length)
    if kind in ("ASSERT", "ASSERT_NOT"):
        return _ways(argument[1], length)
    return _ways(argument, length) if kind == "ATOMIC_GROUP" else 0.0


def _any_of(ways: Iterable[float]) -> float:
    found = list(ways)
    return inf if max(found) > _WAYS else log(sum(map(exp, found)))
