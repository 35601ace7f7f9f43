"""What can be wrong where a recipe builds on another one."""

from __future__ import annotations

from recipe_lang.problem import Kind

ParentOutside = Kind(
    "E114",
    "parent outside",
    reason="""A parent lies in the folder of the recipe or below it, so that a recipe from somebody else reads no
    other files.

    `--allow-outside` allows others.""",
    fields="path folder",
    message="{path} lies outside of the recipe's folder {folder}",
    help="move the parent beside the recipe, or say `--allow-outside` if you trust it",
)

ParentCycle = Kind(
    "E115",
    "parent cycle",
    reason="A recipe cannot build on itself, directly or through its parents.",
    fields="path",
    message=lambda p: "the recipes extend each other in a circle: " + " -> ".join(p.path),
    help="remove one of these `extends` lines",
)

TooManyParents = Kind(
    "E116",
    "too many parents",
    reason="A chain of parents has at most a few links: nobody can follow a longer one.",
    fields="limit",
    message="a recipe builds on at most {limit} others",
    help="`ftr show --flat` writes a recipe with its parents as one",
)

NoParents = Kind(
    "E117",
    "no parents",
    reason="`extends` and `drop` need the file that they name; a text that is read alone has no parents.",
    fields="what",
    message="`{what}` has no meaning here: this text is read alone",
    help="use the recipe's own file, or write it as one with `ftr show --flat`",
)

UnknownDrop = Kind(
    "E211",
    "unknown drop",
    reason="`drop` takes away a block that a parent has; its kind and title are the parent's.",
    fields="what options suggestion",
    message="the parent has no {what}",
    help=('did you mean "{suggestion}"?', "it has {options:quoted}", "remove the line"),
)

WiderDomain = Kind(
    "E313",
    "wider domain",
    reason="A recipe can narrow the domain of a parent's parameter, not widen it.",
    fields="name domain domain_span",
    message="the domain of `{name}` goes beyond that of the parent, {domain}",
    help="stay inside it, or declare a parameter of another name",
    related={"domain_span": "the parent's domain"},
)

GivenTwice = Kind(
    "E401",
    "given twice",
    reason="A field, an argument, a parameter or a stage's title is given once.",
    fields="what first",
    message="{what} is given twice",
    label="the second time",
    related={"first": "the first time"},
)

Misplaced = Kind(
    "E406",
    "misplaced",
    reason="Each statement has its place: claims in `expect`, fields elsewhere, declarations at the top.",
    fields="what where",
    optional={"hint": ""},
    message="{what} does not belong {where}",
    help="{hint}",
)
