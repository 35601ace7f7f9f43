"""What stands twice, at the wrong place, or not at all, E4; and what has no use, W70."""

from __future__ import annotations

from recipe_lang.problem import Kind, Problem
from recipe_lang.suggest import instead

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
