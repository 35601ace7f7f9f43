"""Examples of text that follows no grammar, and of files that are no recipes (E1). Rows only.

The files that the examples name: `base.ftr` is a recipe with the stages "head" and "top"; `circle.ftr` extends the
example itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from runtime.help.examples import Example, json

_REST = '\n\ndata {\n  train = digits\n}\n\nstage "head" {\n  train = head\n  for = 3 epochs\n}'
_CHILD = 'ftr 1\nextends "base.ftr"\n\nstage "top" {\n  for = 10 epochs\n}'

EXAMPLES: Mapping[str, Example] = {
    "E101": Example("seed: 7", "seed = 7"),
    "E102": Example('name = "flowers', 'name = "flowers"'),
    "E103": Example("head = [dropout(0.2), dense(classes)", "head = [dropout(0.2), dense(classes)]"),
    "E104": Example(
        'data {\n  train = digits\n\nstage "head" {\n  train = head\n  for = 3 epochs\n}',
        'data {\n  train = digits\n}\n\nstage "head" {\n  train = head\n  for = 3 epochs\n}',
    ),
    "E105": Example("data {\n  train = digits\n}\n}", "data {\n  train = digits\n}"),
    "E106": Example(r'train = folder("data\flowers")', 'train = folder("data/flowers")', "data"),
    "E107": Example(f"seed = {'(' * 33}7{')' * 33}", "seed = 7"),
    "E108": Example(
        "ftr check flowers.ftr",
        "iconv -f UTF-16 -t UTF-8 flowers.ftr > recipe.ftr\nftr check recipe.ftr",
        "shell",
        "The editor saved flowers.ftr as UTF-16.",
    ),
    "E109": Example(
        "ftr check flowers.csv",
        "ftr check flowers.ftr",
        "shell",
        "flowers.csv is a table of 2 MB, flowers.ftr a recipe.",
    ),
    "E110": Example("ftr check flower.ftr", "ftr check flowers.ftr", "shell", "The recipe is called flowers.ftr."),
    "E111": Example(_REST.strip(), f"ftr 1{_REST}", "file"),
    "E112": Example(f"ftr 2{_REST}", f"ftr 1{_REST}", "file"),
    "E114": Example(
        _CHILD.replace("base.ftr", "../base.ftr"),
        _CHILD,
        "file",
        "base.ftr lies beside the recipe, and one in the folder above.",
    ),
    "E115": Example(
        _CHILD.replace("base.ftr", "circle.ftr"), _CHILD, "file", "circle.ftr extends this recipe, flowers.ftr."
    ),
    "E116": Example(
        _CHILD.replace("base.ftr", "parent1.ftr"),
        _CHILD,
        "file",
        "parent1.ftr extends parent2.ftr, and so on up to parent9.ftr; base.ftr extends nothing.",
    ),
    "E117": Example(
        _CHILD,
        f"ftr 1{_REST}",
        "file",
        "The text comes from no file: ftr.check of Python was given it, say.",
    ),
    "E118": Example(
        "ftr fmt flowers.ftr",
        "chmod u+w flowers.ftr\nftr fmt flowers.ftr",
        "shell",
        "flowers.ftr is read-only.",
    ),
    **json.EXAMPLES,
}
