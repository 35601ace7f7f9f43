"""The words of the language itself, which no table of the vocabulary has: statements, units, selectors, constants.

Rows only, for `ftr explain` and the reference. A test holds them against the grammar and the units.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from runtime.help.examples import Inside


@dataclass(frozen=True, slots=True)
class Term:
    """A word of the language, what kind of word it is, and examples of it.

    `also` are other spellings. The file `base.ftr` that examples extend has the stages "head" and "top".
    """

    word: str
    kind: str
    doc: str
    examples: tuple[str, ...]
    inside: Inside = "recipe"
    also: tuple[str, ...] = ()


STATEMENT, UNIT, SELECTOR, VALUE, DOMAIN = (
    "a statement",
    "a unit",
    "a selector",
    "a value",
    "part of a parameter's declaration",
)

TERMS = (
    Term(
        "ftr",
        STATEMENT,
        "The version of the language, in the first line that is not blank or a comment.",
        ('ftr 1\n\ndata {\n  train = folder("photos")\n}\n\nstage "head" {\n  train = head\n  for = 3 epochs\n}',),
        "file",
    ),
    Term(
        "extends",
        STATEMENT,
        "Builds on another recipe, whose path is relative to this one. Blocks merge field by field, stages by their"
        " titles; a field's value is replaced whole.",
        ('ftr 1\nextends "base.ftr"\n\nstage "top" {\n  for = 10 epochs\n}',),
        "file",
    ),
    Term(
        "drop",
        STATEMENT,
        "Takes away a stage that the parent has.",
        ('ftr 1\nextends "base.ftr"\n\ndrop stage "top"',),
        "file",
    ),
    Term(
        "param",
        STATEMENT,
        "Declares a parameter with its default and, after `in`, its domain. `$name` stands for its value, and"
        " `--set name=VALUE` gives another one.",
        ("param lr = 1e-3 in log(1e-5 .. 1e-1)\n\ndefaults {\n  optimizer = adam(lr = $lr)\n}",),
    ),
    Term(
        "in",
        DOMAIN,
        "Begins the domain of a parameter: `low .. high`, `range(low .. high, step = s)`, `log(low .. high)` or a list"
        " of values. The default and what `--set` gives must lie in it, and `ftr tune` searches it.",
        ("param n = 3 in 1 .. 10\nseed = $n", "param n = 64 in [32, 64, 128]\nseed = $n"),
    ),
    Term(
        "log",
        DOMAIN,
        "A domain whose steps are equal factors, such as 1e-4, 1e-3, 1e-2. Both ends are above 0.",
        ("param lr = 1e-3 in log(1e-5 .. 1e-1)\n\ndefaults {\n  optimizer = adam(lr = $lr)\n}",),
    ),
    Term(
        "range",
        DOMAIN,
        "A domain of numbers that are whole steps apart, from its low end on; the steps lead to its high end. Without"
        " `step` it is `low .. high`.",
        ("param side = 128px in range(96px .. 224px, step = 32px)\n\ndata {\n  train = digits\n  size = $side\n}",),
    ),
    Term(
        "$",
        VALUE,
        "`$name` stands for the value of a parameter that the recipe declares. It can be computed with: `$lr / 10`.",
        ("param n = 3\nseed = $n * 2",),
    ),
    Term("#", STATEMENT, "Begins a comment, which ends with the line.", ("seed = 7  # any number does",)),
    Term(
        "# allow",
        STATEMENT,
        "A comment that silences advice on its line. One that silences nothing is reported itself.",
        ("optimizer = adam(weight_decay = 0.01)  # allow: W721",),
        "stage",
        ("allow",),
    ),
    Term(
        "then",
        VALUE,
        "`a then b` are two values that follow each other in time: schedules, of which each but the last says how"
        " long it lasts.",
        ("for = 10 epochs\nschedule = constant(for = 60%) then cosine",),
        "stage",
    ),
    Term(
        "over",
        STATEMENT,
        "`over 5 seeds` behind a claim: it is of the mean of five runs, which differ in their seeds. It holds where the"
        " whole 95% interval of that mean meets it: the lower end for `>=`, the upper end for `<=`. `ftr run FILE"
        ' --seeds 5`, or more, tests it; a plain `ftr run` says "not tested".',
        ("expect {\n  valid.accuracy >= 90% over 5 seeds\n}",),
    ),
    Term(
        "seeds",
        UNIT,
        "A count of runs of one recipe, each with its own seed.",
        ("expect {\n  valid.loss <= 0.5 over 10 seeds\n}",),
        also=("seed",),
    ),
    Term(
        "epochs",
        UNIT,
        "A length of training: one pass over all training images; a last, partial batch is dropped.",
        ("for = 3 epochs", "for = 1 epoch"),
        "stage",
        ("epoch",),
    ),
    Term(
        "steps",
        UNIT,
        "A length of training in batches: each step is one update of the weights.",
        ("for = 500 steps", "for = 10 epochs\nschedule = cosine(warmup = 1 step)"),
        "stage",
        ("step",),
    ),
    Term("px", UNIT, "Pixels, the unit of sizes.", ("size = 224px",), "data"),
    Term("images", UNIT, "A count of images.", ("take = 500 images", "take = 1 image"), "data", ("image",)),
    Term(
        "%",
        UNIT,
        "A hundredth: `20%` is 0.2. It can be used wherever a plain number can.",
        ("valid = holdout(20%)",),
        "data",
        ("percent",),
    ),
    Term("true", VALUE, "Yes.", ("optimizer = adam(decay_norms = true)",), "stage"),
    Term("false", VALUE, "No.", ("optimizer = adam(decay_norms = false)",), "stage"),
    Term("none", VALUE, "Nothing: no augmentation, no test set, no weights.", ("augment = none",), "data"),
    Term(
        "..",
        VALUE,
        "A range, both ends included: of numbers, or of parts in the order of the network.",
        ("train = base.block3 .. head", "augment = [random_resized_crop(scale = 0.4 .. 1.0)]"),
        "stage",
    ),
    Term("all", SELECTOR, "All parts of the network: the base and the head.", ("train = all",), "stage"),
    Term("base", SELECTOR, "All parts of the base, without the head.", ("train = base",), "stage"),
    Term("head", SELECTOR, "The new layers on top of the base.", ("train = head",), "stage"),
    Term(
        "stem",
        SELECTOR,
        "The first layers of a base, before its blocks; written `base.stem`.",
        ("train = all except base.stem",),
        "stage",
        ("base.stem",),
    ),
    Term(
        "block1",
        SELECTOR,
        "A block of the base, written `base.block1`; blocks are counted from the images on, and a new one begins where"
        " width or resolution changes. `ftr explain NAME` says which blocks a network has.",
        ("train = base.block3 .. head", "train = [base.block1, head]"),
        "stage",
        ("base.block1",),
    ),
    Term(
        "except",
        SELECTOR,
        "Takes parts away from those before it.",
        ("train = all except base.stem", "train = all except [base.stem, base.block1]"),
        "stage",
    ),
    Term(
        "matching",
        SELECTOR,
        "Selects parameters by a pattern over their names, such as `base.block3.0.weight`; `*` stands for any letters.",
        ('train = [head, matching("*gamma")]',),
        "stage",
    ),
)


def of(word: str) -> Iterator[Term]:
    """Yield the terms of a word; `base.block3` and `block3` are `block1`."""
    name = "block1" if re.fullmatch(r"(base\.)?block\d*", word) else word
    return (term for term in TERMS if name in (term.word, *term.also))
