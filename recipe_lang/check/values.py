"""One written value against one type: `Values.value`, which the checker calls for every field.

Parameters and arithmetic are resolved first. What is wrong is added to the checker's problems, and None comes back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache

from recipe_lang.check import vocabulary as v
from recipe_lang.check.checked import CallValue, Value
from recipe_lang.check.describe import describe, describe_node, fits, lower_first
from recipe_lang.check.hints import Hint, hint_for, literal
from recipe_lang.check.names import Names
from recipe_lang.check.numbers import length, number
from recipe_lang.check.params import Params
from recipe_lang.check.problems.placement import MissingArgument, TooMany
from recipe_lang.check.problems.types import (
    BackwardRange,
    BadHash,
    PositionalAfterNamed,
    TooFew,
    TooManyArguments,
    WrongType,
    WrongUnit,
)
from recipe_lang.check.selectors import Selector
from recipe_lang.compose.problems import GivenTwice
from recipe_lang.problem import Problem
from recipe_lang.source import Source
from recipe_lang.syntax import nodes
from recipe_lang.syntax.parser import parse


class Values:
    """Checks values; a default's value has no place (`is_default`)."""

    def __init__(self, vocabulary: v.Vocabulary, params: Params, selector: Selector, problems: list[Problem]) -> None:
        self.names = Names(vocabulary, problems)
        self.params = params
        self.selector = selector
        self.problems = problems
        self.is_default = False
        self._is_trial = False  # of a repair: only whether it is right counts

    @property
    def vocabulary(self) -> v.Vocabulary:
        """What may be said beside the recipe's words."""
        return self.names.here

    def default(self, arg: v.Arg) -> Value:
        """Return the value of an argument or field that is not written."""
        if not isinstance(arg.default, v.Default):
            return Value(arg.default)
        outer, self.is_default = self.is_default, True
        value = self.value(_parsed(arg.default.text), arg.type, f"`{arg.name}`")
        self.is_default = outer
        if value is None:
            raise AssertionError(f"the default of `{arg.name}` does not check")
        return value

    def value(self, written: nodes.Node, type_: v.Type, what: str) -> Value | None:
        """Check a value against a type; None when it was reported as wrong."""
        if isinstance(written, nodes.Arithmetic | nodes.Negative) and not _takes_numbers(type_):
            return self._wrong(written, type_, what)
        if isinstance(type_, v.Select):
            return self._made(self.selector.select(written), written)
        before = len(self.problems)
        node = self.params.resolve(written)
        if node is None:
            self.problems[before:] = [self._doubted(each, written, type_, what) for each in self.problems[before:]]
            return None
        match type_, node:
            case v.Number(), nodes.Number():
                return self._made(number(node, type_, what), node)
            case v.Duration(), nodes.Number():
                return self._made(length(node, type_, what), node)
            case v.Either(), _:
                return self._either(node, type_, what)
            case v.CallOf(), nodes.Call():
                return self._call(node, type_)
            case v.CallOf(), nodes.Name(name) if "." not in name:
                return self._call(nodes.Call(name, (), node.span, node.span), type_)
            case v.CallOf(then=True), nodes.Then(items):
                calls = [self.value(item, replace(type_, then=False), what) for item in items]
                return None if None in calls else self._placed(tuple(calls), node)
            case v.MetricOf(sets), nodes.Name():
                return self._made(self.names.metric(node, sets), node)
            case v.ListOf(), nodes.List():
                return self._list(node, type_, what)
            case v.RangeOf(), nodes.Range():
                return self._range(node, type_, what)
            case v.MapOf(), nodes.Map():
                return self._map(node, type_, what)
            case v.Word(options), nodes.Name():
                return self._made(self.names.word(node, options), node)
            case v.Truth(), nodes.Name("true" | "false" as word):
                return self._made(word == "true", node)
            case v.NothingType(), nodes.Name("none"):
                return self._placed(None, node)
            case v.Text() | v.FilePath() | v.HexDigits() | v.OneOfStrings(), nodes.Text():
                return self._made(self._text(node, type_), node)
        return self._wrong(node, type_, what)

    def _text(self, node: nodes.Text, type_: v.Type) -> object:
        match type_:
            case v.FilePath():
                return node.span.source.folder / node.value
            case v.HexDigits():
                digits = node.value.lower()
                is_hash = 8 <= len(digits) <= 64 and not digits.strip("0123456789abcdef")
                return digits if is_hash else BadHash(span=node.span)
            case v.OneOfStrings():
                return self.names.string(node, type_)
        return node.value

    def _made(self, value: object, node: nodes.Node) -> Value | None:
        """Return a value with its place; None for one that was reported, and for a problem, which is reported."""
        if isinstance(value, Problem):
            self.problems.append(value)
        return None if value is None or isinstance(value, Problem) else self._placed(value, node)

    def _placed(self, value: object, node: nodes.Node) -> Value:
        return Value(value, None if self.is_default else node.span)

    def _would_do(self, meant: str, type_: v.Type, what: str) -> bool:
        """Whether the text of a repair is right in its place: one that brings the next error is no repair."""
        recipe = parse(Source("", f"x = {meant}"))
        item = recipe.items[0] if len(recipe.items) == 1 and not recipe.problems else None
        if not isinstance(item, nodes.Field):
            return False
        before, outer, self._is_trial = len(self.problems), self._is_trial, True
        value = self.value(item.value, type_, what)
        del self.problems[before:]
        self._is_trial = outer
        return value is not None

    def _doubted(self, problem: Problem, written: nodes.Node, type_: v.Type, what: str) -> Problem:
        """Return a problem of a value's unit without the example that its place would refuse."""
        if problem.kind is not WrongUnit or problem.span != written.span or self._is_trial:
            return problem
        return problem if self._would_do(problem.example, type_, what) else problem.replace(example="")

    def _wrong(self, node: nodes.Node, type_: v.Type, what: str) -> Value | None:
        hint = Hint() if self._is_trial else hint_for(node, type_, self.vocabulary, self.params)
        if hint.meant and not self._would_do(hint.meant, type_, what):
            hint = Hint()
        self.problems.append(
            WrongType(
                span=node.span,
                what=what,
                expected=describe(type_, self.vocabulary),
                found=describe_node(node),
                hint=hint.text,
                meant=hint.meant if literal(node.span) else "",
            )
        )
        return None

    def _either(self, node: nodes.Node, type_: v.Either, what: str) -> Value | None:
        for vocabulary in (self.vocabulary, self.names.whole):  # a name of other words is known as such
            for option in type_.options:
                if fits(node, option, vocabulary):
                    return self.value(node, option, what)
        name = node.value if isinstance(node, nodes.Name) else ""
        if name and fits(nodes.Name(name.lower(), node.span), type_, self.vocabulary):
            return self._wrong(node, type_, what)  # `None`, `True`
        is_call = isinstance(node, nodes.Call) or (name and "." not in name)
        for option in type_.options:  # an unknown name gets its family's suggestion
            if (is_call and isinstance(option, v.CallOf)) or (name and isinstance(option, v.MetricOf)):
                before = len(self.names.problems)
                found = self.value(node, option, what)
                self.names.name_words(before, [word for other in type_.options for word in _words_of(other)])
                return found
        return self._wrong(node, type_, what)

    def _list(self, node: nodes.List, type_: v.ListOf, what: str) -> Value | None:
        if len(node.items) < type_.least:
            return self._made(TooFew(span=node.span, what=what, least=type_.least), node)
        if type_.most is not None and len(node.items) > type_.most:
            return self._made(TooMany(span=node.span, what=what, most=type_.most), node)
        values = [self.value(item, type_.item, what) for item in node.items]
        return None if None in values else self._placed(tuple(values), node)

    def _range(self, node: nodes.Range, type_: v.RangeOf, what: str) -> Value | None:
        low, high = self.value(node.low, type_.item, what), self.value(node.high, type_.item, what)
        if low is None or high is None:
            return None
        if low.value > high.value:
            return self._made(BackwardRange(span=node.span, low=node.low.span.text, high=node.high.span.text), node)
        return self._placed((low.value, high.value), node)

    def _map(self, node: nodes.Map, type_: v.MapOf, what: str) -> Value | None:
        pairs = tuple(
            (self.value(key, type_.key, what), self.value(each, type_.value, what)) for key, each in node.entries
        )
        return None if any(None in pair for pair in pairs) else self._placed(pairs, node)

    # --- calls -------------------------------------------------------------------------------

    def _call(self, call: nodes.Call, type_: v.CallOf) -> Value | None:
        found = self.names.entry(call, type_)
        if found is None:
            # Against a guess nothing is checked: `random_erasing(0.25)` is no `random_crop` of 0.25 pixels.
            meant = self.names.unknown_entry(call, type_)
            if meant is not None:
                self._arguments(replace(call, name=meant.name), meant)
            return None
        family, entry = found
        args = self._arguments(call, entry)
        span = None if self.is_default else call.span
        return None if args is None else Value(CallValue(family.name, call.name, args, span), span)

    def _arguments(self, call: nodes.Call, entry: v.Entry) -> dict[str, Value] | None:
        """Return the values of all arguments, defaults included; None where anything is wrong with one."""
        before = len(self.problems)
        given, meant = self._given(call, entry)
        args: dict[str, Value | None] = {}
        for arg in entry.args:
            if arg.name in given:
                args[arg.name] = self.value(given[arg.name].value, arg.type, f"`{arg.name}`")
            elif arg.default is not v.REQUIRED:
                args[arg.name] = self.default(arg)
            elif arg.name not in meant:
                doc = lower_first(arg.doc)
                self.problems.append(MissingArgument(span=call.span, name=arg.name, call=call.name, doc=doc))
        complete = {name: value for name, value in args.items() if value is not None}
        return complete if len(complete) == len(entry.args) and len(self.problems) == before else None

    def _given(self, call: nodes.Call, entry: v.Entry) -> tuple[dict[str, nodes.Argument], set[str]]:
        """Return a call's arguments by name, and the names that those which have none may stand for."""
        table = {arg.name: arg for arg in entry.args}
        places = iter(list(table)[: entry.positional])
        given: dict[str, nodes.Argument] = {}
        meant: set[str] = set()
        named = False
        for argument in call.arguments:
            named = named or argument.name is not None
            name = argument.name or (None if named else next(places, None))
            if name is None and named:
                self.problems.append(PositionalAfterNamed(span=argument.span))
            elif name is None:
                meant |= set(table)  # nobody knows which
                options = tuple(table)[entry.positional :]
                self.problems.append(
                    TooManyArguments(span=argument.span, call=call.name, limit=entry.positional, options=options)
                )
            elif name in given:
                self.problems.append(GivenTwice(span=argument.name_span, what=f"`{name}`", first=given[name].span))
            elif name not in table:
                near, is_certain = self.names.unknown_argument(argument, name, call, table, given)
                meant.add(near)
                if is_certain:
                    self.value(argument.value, table[near].type, f"`{near}`")
            else:
                given[name] = argument
        return given, meant


@cache
def _parsed(default: str) -> nodes.Node:
    """Return the value that a default's text is."""
    item = parse(Source("default", f"x = {default}")).items[0]
    if not isinstance(item, nodes.Field):
        raise AssertionError(f"the default `{default}` is no value")
    return item.value


def _takes_numbers(type_: v.Type) -> bool:
    if isinstance(type_, v.Either):
        return any(_takes_numbers(option) for option in type_.options)
    return not isinstance(type_, v.Text | v.FilePath | v.HexDigits | v.OneOfStrings | v.CallOf | v.Word | v.Truth)


def _words_of(type_: v.Type) -> Iterable[str]:
    return type_.options if isinstance(type_, v.Word) else ()
