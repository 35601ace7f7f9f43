"""What stands at the wrong place, E212 and E4, or not at all; and what has no use, W70."""

from __future__ import annotations

from collections.abc import Iterable

from recipe_lang.problem import Kind, Problem
from recipe_lang.suggest import instead
from recipe_lang.words import listed, quoted


def belonging(name: str, noun: str, conditions: Iterable[tuple[str, str]]) -> str:
    """Say with which words a name can be used: "`steam` is a heat for `dish = rice`"."""
    return f"`{name}` is {noun} for {_listed(conditions)}"


def _listed(conditions: Iterable[tuple[str, str]]) -> str:
    return listed(tuple(f"`{field} = {word}`" for field, word in conditions))


def _not_here_help(p: Problem) -> str:
    use = "use one of" if len(p.options) > 1 else "use"
    others = f", or {use} {quoted(p.options, 20)}" if p.options else ""
    return f"write {_listed(p.conditions)}{others}"


TooMany = Kind(
    "E435",
    "too many",
    reason="A list has more values than this place takes.",
    fields="what most",
    message="{what} takes at most {most} value{most:plural |s}",
)

NotHere = Kind(
    "E212",
    "not here",
    reason="Some names can only be used when a top-level field has a particular value.",
    # conditions: fields and their words, of which one would do; word: what the first of these fields is; place: where
    fields="name noun conditions word place options",
    message=lambda p: belonging(p.name, p.noun, p.conditions),
    label="the {conditions[0][0]} here is {word}",
    help=_not_here_help,
    related={"place": "the {conditions[0][0]}"},
)

MissingField = Kind(
    "E402",
    "missing field",
    reason="A field without a default must be written.",
    fields="name where doc",
    message="{where} has no `{name}`",
    help="add `{name} = …`: {doc}",
)

MissingArgument = Kind(
    "E403",
    "missing argument",
    reason="An argument without a default must be written.",
    fields="name call doc",
    message="`{call}` needs `{name}`",
    help="add `{name} = …`: {doc}",
)

MissingBlock = Kind(
    "E404",
    "missing block",
    reason="Some blocks are required in every recipe.",
    fields="name header doc",
    message="the recipe has no block `{name}`",
    help="add {header} … `}}`: {doc}",
)

BadTitle = Kind(
    "E405",
    "bad title",
    reason="A stage has a title in quotes, so that reports can name it; the other blocks have none.",
    fields="block needed",
    message=lambda p: f"a `{p.block}` block {'needs a title' if p.needed else 'has no title'}",
    help=lambda p: f'write `{p.block} "…" {{`' if p.needed else f"write `{p.block} {{`",
)

BeginsNowhere = Kind(
    "E416",
    "begins nowhere",
    reason="A block inside a stage says in its header from when on it holds: whole epochs, or a share of the stage.",
    fields="block",
    message="`{block}` does not say from when on it holds",
    help="write for example `{block} 8 epochs {{` or `{block} 50% {{`",
)

UnusedParam = Kind(
    "W701",
    "unused param",
    reason="A parameter that is used nowhere as `$name` changes nothing, and neither does `--set`.",
    fields="name",
    message="the parameter `{name}` is not used",
    help="write `${name}` where it is needed, or remove it",
)


def _silences_nothing_help(p: Problem) -> str:
    if p.is_other_form:
        return f"write `# allow: {p.name}`"
    if not p.name.startswith("W"):
        return "only advice can be silenced, and its codes begin with W"
    return "remove it, or write it on the line that the advice points to"


SilencesNothing = Kind(
    "W702",
    "silences nothing",
    reason="A comment `# allow: W710` silences that advice on its own line; one without such advice is a leftover.",
    fields="name",
    optional={"is_other_form": False},  # such as `# allow W710`
    message=lambda p: (
        "this comment silences nothing: "
        + ("it does not have the right form" if p.is_other_form else f"there is no {p.name} on this line")
    ),
    help=_silences_nothing_help,
    edits=lambda p: instead(p.span, f"# allow: {p.name}") if p.is_other_form else (),
)

BadStep = Kind(
    "E480",
    "bad step",
    reason="""The step of a parameter's range is above 0, has the unit of its ends, and leads from the lower to the
    higher one.""",
    fields="reason",
    optional={"near": ""},
    message="{reason}",
    help="{near}",
)
