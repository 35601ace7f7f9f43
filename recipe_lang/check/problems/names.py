"""Names that do not exist: E2, each with what was meant where that can be told."""

from __future__ import annotations

from recipe_lang.problem import Edit, Kind, Problem
from recipe_lang.suggest import instead, renamed
from recipe_lang.words import quoted


def _rename(p: Problem) -> tuple[Edit, ...]:
    return renamed(p.span, p.name, p.suggestion)


def _rename_known(p: Problem) -> tuple[Edit, ...]:
    return renamed(p.span, p.name, p.suggestion, p.is_plain)


UnknownField = Kind(
    "E201",
    "unknown field",
    reason="Each block has a fixed set of fields; an unknown one is never silently dropped.",
    fields="name where options suggestion",
    optional={
        "taken": False,  # what is suggested stands there already
        "is_plain": False,  # the suggestion is another tool's name for the same
    },
    message="unknown field `{name}` in {where}",
    help=("{suggestion:suggested}", "it has {options:quoted 20}"),
    edits=lambda p: () if p.taken else _rename_known(p),
)

UnknownBlock = Kind(
    "E202",
    "unknown block",
    reason="The blocks of a recipe are those of the language's reference.",
    fields="name options suggestion",
    message="unknown block `{name}`",
    help=("{suggestion:suggested}", "the blocks are {options:quoted}"),
    edits=_rename,
)

UnknownEntry = Kind(
    "E203",
    "unknown entry",
    reason="No optimizer, schedule, source, layer … of this name exists.",
    fields="name noun options suggestion",
    optional={"is_plain": False},  # it is another tool's name for the same
    message=lambda p: f"unknown {p.noun.split(' ', 1)[-1]} `{p.name}`",
    label="not {noun}",
    help=("{suggestion:suggested}", "there is {options:quoted}"),
    edits=_rename_known,
)


def _unknown_part_message(p: Problem) -> str:
    if not p.parts:
        return f"selector `{p.name}` matches no part of any base"
    has = f"{p.parts[0]}, {p.parts[1]} .. {p.parts[-1]}" if len(p.parts) > 1 else "stem"
    return f"selector `{p.name}` matches nothing in {p.base}: it has {has}"


def _unknown_part_edits(p: Problem) -> tuple[Edit, ...]:
    return instead(p.span, p.suggestion) if p.suggestion == f"base.{p.name}" else _rename(p)


UnknownPart = Kind(
    "E204",
    "unknown part",
    reason="A selector names parts of this base (`base.stem`, `base.block1` ..), `base`, `head` or `all`.",
    fields="name base parts suggestion",
    message=_unknown_part_message,
    help=("{suggestion:suggested}", "write `base.NAME`, `base`, `head` or `all`"),
    edits=_unknown_part_edits,
)


def _unknown_param_edits(p: Problem) -> tuple[Edit, ...]:
    return instead(p.span, f"${p.suggestion}") if p.suggestion and _rename(p) else ()


UnknownParam = Kind(
    "E205",
    "unknown param",
    reason="`$name` stands for a parameter that the recipe declares with `param name = …`.",
    fields="name options suggestion",
    message="unknown parameter `${name}`",
    help=(
        "did you mean `${suggestion}`?",
        "the recipe declares {options:quoted}",
        "declare it above: `param {name} = …`",
    ),
    edits=_unknown_param_edits,
)

UnknownArgument = Kind(
    "E206",
    "unknown argument",
    reason="Each call has a fixed set of arguments.",
    fields="name call options suggestion",
    optional={
        "taken": False,  # what is suggested stands there already
        "is_plain": False,  # the suggestion is another tool's name for the same
    },
    message="`{call}` has no argument `{name}`",
    help=("{suggestion:suggested}", "it takes {options:quoted}", "it takes no arguments"),
    edits=lambda p: () if p.taken else _rename_known(p),
)

UnknownMetric = Kind(
    "E207",
    "unknown metric",
    reason="A metric is named with its set: `valid.accuracy`, `test.f1`.",
    fields="name sets metrics suggestion",
    optional={
        "is_plain": False,  # it is another tool's name for the same
        "is_of_test": False,  # it exists, for a set that does not choose
    },
    message=lambda p: f"`{p.name}` cannot be used here" if p.is_of_test else f"unknown metric `{p.name}`",
    help=("{suggestion:suggested}", "write {sets:quoted or}, a dot, and one of {metrics:quoted 20}"),
    edits=_rename_known,
)

UnknownWord = Kind(
    "E208",
    "unknown word",
    reason="Where one of a few words is expected, there is another.",
    fields="name options suggestion",
    optional={"is_plain": False},  # it is another tool's name for the same
    message="unknown word `{name}`",
    label="expected {options:quoted or}",
    help=("{suggestion:suggested}", ""),
    edits=_rename_known,
)

UnknownString = Kind(
    "E209",
    "unknown string",
    reason="A string must name one of a known list, such as a zoo's models.",
    fields="name noun suggestion",
    message='unknown {noun} "{name}"',
    help=('did you mean "{suggestion}"?', ""),
)


def _unknown_setting_help(p: Problem) -> str:
    if p.suggestion:
        return f"did you mean `{p.suggestion}`?"
    name = p.name.rpartition(".")[2]
    use = f"write {p.use}" if p.use else f"use `${name}` where it is needed"
    add = f"add `param {name} = …` to the recipe and {use}"
    only = "only parameters can be set: " if "." in p.name else ""
    return only + (f"it declares {quoted(p.options)}; for another one {add}" if p.options else add)


UnknownSetting = Kind(
    "E210",
    "unknown setting",
    reason="`--set NAME=VALUE` replaces the value of a parameter that the recipe declares, nothing else.",
    fields="name options suggestion",
    optional={"use": ""},  # where the parameter would stand: "`lr = $lr` in line 7"
    message="the recipe declares no parameter `{name}`",
    help=_unknown_setting_help,
)
