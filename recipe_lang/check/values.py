"""One written value against one type: `Values.value`, which the checker calls for every field.

Parameters and arithmetic are resolved first. What is wrong is added to the checker's problems, and None comes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from recipe_lang.check import vocabulary as v
from recipe_lang.check.checked import CallValue, Metric, Quantity, Value
from recipe_lang.check.describe import describe, describe_node, fits, lower_first, quantity_text, range_text
from recipe_lang.check.hints import Hint, hint_for, holder_of, home, literal
from recipe_lang.check.params import Params
from recipe_lang.check.problems.names import UnknownArgument, UnknownEntry, UnknownMetric, UnknownString, UnknownWord
from recipe_lang.check.problems.placement import MissingArgument
from recipe_lang.check.problems.types import (
    BackwardRange,
    BadHash,
    NotWhole,
    OutOfRange,
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
from recipe_lang.suggest import is_certain, suggest, suggest_name
from recipe_lang.syntax import nodes
from recipe_lang.syntax.parser import parse


class Values:
    """Checks values; a default's value has no place (`is_default`)."""

    def __init__(self, vocabulary: v.Vocabulary, params: Params, selector: Selector, problems: list[Problem]) -> None:
        self.vocabulary = vocabulary
        self.params = params
        self.selector = selector
        self.problems = problems
        self.is_default = False
        self._is_trial = False  # of a repair: only whether it is right counts

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
            selection = self.selector.select(written)
            return None if selection is None else self._made(selection, written)
        before = len(self.problems)
        node = self.params.resolve(written)
        if node is None:
            self.problems[before:] = [self._doubted(each, written, type_, what) for each in self.problems[before:]]
            return None
        match type_:
            case v.Number():
                return self._number(node, type_, what)
            case v.Duration():
                return self._duration(node, type_, what)
            case v.Either():
                return self._either(node, type_, what)
            case v.CallOf():
                return self._call(node, type_, what)
            case v.MetricOf() if isinstance(node, nodes.Name):
                metric = self.metric(node, type_.sets)
                return None if metric is None else self._made(metric, node)
            case v.ListOf() if isinstance(node, nodes.List):
                return self._list(node, type_, what)
            case v.RangeOf() if isinstance(node, nodes.Range):
                return self._range(node, type_, what)
            case v.MapOf() if isinstance(node, nodes.Map):
                return self._map(node, type_, what)
            case v.Word() if isinstance(node, nodes.Name):
                return self._word(node, type_)
            case v.Truth() if isinstance(node, nodes.Name) and node.value in ("true", "false"):
                return self._made(node.value == "true", node)
            case v.NothingType() if isinstance(node, nodes.Name) and node.value == "none":
                return self._made(None, node)
            case v.Text() | v.FilePath() | v.HexDigits() | v.OneOfStrings() if isinstance(node, nodes.Text):
                return self._text(node, type_)
        return self._wrong(node, type_, what)

    def _made(self, value: object, node: nodes.Node) -> Value:
        return Value(value, None if self.is_default else node.span)

    def _would_do(self, meant: nodes.Node | str, type_: v.Type, what: str) -> bool:
        """Whether a repair, a value or its text, is right in its place: one that brings the next error is no repair."""
        if isinstance(meant, str):
            recipe = parse(Source("", f"x = {meant}"))
            item = recipe.items[0] if len(recipe.items) == 1 and not recipe.problems else None
            return isinstance(item, nodes.Field) and self._would_do(item.value, type_, what)
        before, outer, self._is_trial = len(self.problems), self._is_trial, True
        value = self.value(meant, type_, what)
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

    def _number(self, node: nodes.Node, type_: v.Number, what: str) -> Value | None:
        if not isinstance(node, nodes.Number):
            return self._wrong(node, type_, what)
        value, unit = node.value, node.unit
        if unit != type_.unit and not (unit is None and type_.unit_optional):
            meant = replace(node, unit=type_.unit)
            is_right = not self._is_trial and self._would_do(meant, type_, what)
            self.problems.append(
                WrongUnit(
                    span=node.span,
                    what=what,
                    found=unit or "",
                    expected=f"a number of {type_.unit}" if type_.unit else "a plain number",
                    example=quantity_text(meant) if is_right else "",
                    is_plain=unit is None and type_.unit is not None and literal(node.span),
                )
            )
            return None
        shown = quantity_text(node)
        if type_.whole and value != int(value):
            self.problems.append(NotWhole(span=node.span, what=what, found=shown, near=_whole_near(node, type_.unit)))
            return None
        too_low = type_.low is not None and (value < type_.low or (type_.above and value == type_.low))
        too_high = type_.high is not None and (value > type_.high or (type_.below and value == type_.high))
        if too_low or too_high:
            is_share = type_.high == 1 and type_.unit is None and 2 <= value <= 100 and not self._is_trial
            is_share = is_share and self._would_do(f"{value:g}%", type_, what)
            hint = f"a share is written `{value:g}%` or `{value / 100:g}`" if is_share else ""
            allowed = range_text(type_)
            self.problems.append(OutOfRange(span=node.span, what=what, found=shown, allowed=allowed, hint=hint))
            return None
        return self._made(int(value) if type_.whole else value, node)

    def _duration(self, node: nodes.Node, type_: v.Duration, what: str) -> Value | None:
        if not isinstance(node, nodes.Number):
            return self._wrong(node, type_, what)
        if type_.share and node.unit is None and 0 <= node.value < 1:
            return self._made(Quantity(node.value, "stages"), node)
        if node.unit is None and (node.span.text.endswith("%") or 0 < node.value < 1):
            found = f"the share {node.span.text}"
            expected = "less than the whole stage" if type_.share else describe(type_, self.vocabulary)
            self.problems.append(WrongType(span=node.span, what=what, expected=expected, found=found))
            return None
        if node.unit not in ("epochs", "steps"):
            meant = replace(node, unit="epochs")
            is_right = not self._is_trial and self._would_do(meant, type_, what)
            self.problems.append(
                WrongUnit(
                    span=node.span,
                    what=what,
                    found=node.unit or "",
                    expected="a number of epochs or steps",
                    example=quantity_text(meant) if is_right else "",
                    is_plain=node.unit is None and type_.in_epochs and literal(node.span),
                )
            )
            return None
        if (type_.whole or node.unit == "steps") and node.value != int(node.value):
            shown = quantity_text(node)
            self.problems.append(NotWhole(span=node.span, what=what, found=shown, near=_whole_near(node)))
            return None
        if node.value < 0 or (node.value == 0 and not type_.zero) or node.value > 1e7:
            self.problems.append(
                OutOfRange(
                    span=node.span,
                    what=what,
                    found=quantity_text(node),
                    allowed="0 or more" if type_.zero else "more than 0, at most 10,000,000",
                )
            )
            return None
        return self._made(self.params.quantity(node), node)

    def _either(self, node: nodes.Node, type_: v.Either, what: str) -> Value | None:
        for option in type_.options:
            if fits(node, option, self.vocabulary):
                return self.value(node, option, what)
        if isinstance(node, nodes.Name) and fits(replace(node, value=node.value.lower()), type_, self.vocabulary):
            return self._wrong(node, type_, what)  # `None`, `True`
        if isinstance(node, nodes.Name | nodes.Call):
            for option in type_.options:  # an unknown name gets its family's suggestion
                if isinstance(option, v.CallOf) and not (isinstance(node, nodes.Name) and "." in node.value):
                    return self._call(node, option, what)
                if isinstance(option, v.MetricOf) and isinstance(node, nodes.Name):
                    metric = self.metric(node, option.sets)
                    return None if metric is None else self._made(metric, node)
        return self._wrong(node, type_, what)

    def _text(self, node: nodes.Text, type_: v.Type) -> Value | None:
        match type_:
            case v.FilePath():
                folder = node.span.source.folder
                return self._made(folder / node.value, node)
            case v.HexDigits():
                digits = node.value.lower()
                if not 8 <= len(digits) <= 64 or digits.strip("0123456789abcdef"):
                    self.problems.append(BadHash(span=node.span))
                    return None
                return self._made(digits, node)
            case v.OneOfStrings(noun, options) if node.value not in options:
                self.problems.append(
                    UnknownString(
                        span=node.span,
                        name=node.value,
                        noun=noun,
                        suggestion=suggest_name(node.value, options, self.vocabulary.habits),
                    )
                )
                return None
        return self._made(node.value, node)

    def _word(self, node: nodes.Name, type_: v.Word) -> Value | None:
        if node.value in type_.options:
            return self._made(node.value, node)
        suggestion = suggest(node.value, type_.options, self.vocabulary.habits)
        self.problems.append(
            UnknownWord(
                span=node.span,
                name=node.value,
                options=tuple(type_.options),
                suggestion=suggestion,
                is_plain=self.vocabulary.renames(node.value, suggestion),
            )
        )
        return None

    def metric(self, node: nodes.Name, sets: tuple[str, ...]) -> Metric | None:
        """Return the metric that a dotted name means; None when it was reported."""
        set_, _, name = node.value.partition(".")
        if set_ in sets and name in self.vocabulary.metrics:
            return Metric(set_, name)
        known = [f"{s}.{name}" for s in sets for name in self.vocabulary.metrics]
        suggestion = suggest(node.value, known, self.vocabulary.habits)
        is_of_test = set_ in self.vocabulary.sets and name in self.vocabulary.metrics
        if is_of_test:
            suggestion = f"the {set_} set does not choose between weights: write `{sets[0]}.{name}`"
        self.problems.append(
            UnknownMetric(
                span=node.span,
                name=node.value,
                sets=sets,
                metrics=tuple(self.vocabulary.metrics),
                suggestion=suggestion,
                is_plain=self.vocabulary.renames(node.value, suggestion),
                is_of_test=is_of_test,
            )
        )
        return None

    def _list(self, node: nodes.List, type_: v.ListOf, what: str) -> Value | None:
        if len(node.items) < type_.least:
            self.problems.append(TooFew(span=node.span, what=what, least=type_.least))
            return None
        values = [self.value(item, type_.item, what) for item in node.items]
        return self._made(tuple(values), node) if all(value is not None for value in values) else None

    def _range(self, node: nodes.Range, type_: v.RangeOf, what: str) -> Value | None:
        low = self.value(node.low, type_.item, what)
        high = self.value(node.high, type_.item, what)
        if low is None or high is None:
            return None
        if low.value > high.value:
            self.problems.append(BackwardRange(span=node.span, low=node.low.span.text, high=node.high.span.text))
            return None
        return self._made((low.value, high.value), node)

    def _map(self, node: nodes.Map, type_: v.MapOf, what: str) -> Value | None:
        pairs = [
            (self.value(key, type_.key, what), self.value(value, type_.value, what)) for key, value in node.entries
        ]
        if any(key is None or value is None for key, value in pairs):
            return None
        return self._made(tuple(pairs), node)

    # --- calls -------------------------------------------------------------------------------

    def _call(self, node: nodes.Node, type_: v.CallOf, what: str) -> Value | None:
        match node:
            case nodes.Name(name) if "." not in name:
                call = nodes.Call(name, (), node.span, node.span)
            case nodes.Call():
                call = node
            case _:
                return self._wrong(node, type_, what)
        families = [self.vocabulary.families[name] for name in type_.families]
        for family in families:
            if call.name in family.entries:
                args = self._arguments(call, family.entries[call.name])
                if args is None:
                    return None
                place = None if self.is_default else call.span
                return self._made(CallValue(family.name, call.name, args, place), node)
        self._unknown_entry(call, families, type_)
        return None

    def _unknown_entry(self, call: nodes.Call, families: list[v.Family], type_: v.CallOf) -> None:
        entries = {name: entry for family in families for name, entry in family.entries.items()}
        suggestion = suggest(call.name, entries, self.vocabulary.habits)
        if not suggestion:
            suggestion = holder_of(call.name, type_, self.vocabulary)
        renames = self.vocabulary.renames(call.name, suggestion)
        self.problems.append(
            UnknownEntry(
                span=call.name_span,
                name=call.name,
                noun=families[0].noun,
                options=tuple(entries),
                suggestion=suggestion,
                is_plain=renames,
            )
        )
        # Against a guess nothing is checked: `random_erasing(0.25)` is no `random_crop` of 0.25 pixels.
        if suggestion in entries and is_certain(call.name, suggestion, renames):
            self._arguments(replace(call, name=suggestion), entries[suggestion])

    def _arguments(self, call: nodes.Call, entry: v.Entry) -> dict[str, Value] | None:
        before = len(self.problems)
        table = {arg.name: arg for arg in entry.args}
        given: dict[str, nodes.Argument] = {}
        meant: set[str] = set()  # what unknown names stand for: not missing
        positional = iter(list(table)[: entry.positional])
        named = False
        for argument in call.arguments:
            name = argument.name
            if name is None:
                if named:
                    self.problems.append(PositionalAfterNamed(span=argument.span))
                    continue
                name = next(positional, None)
                if name is None:
                    meant |= set(table)  # nobody knows which
                    self.problems.append(
                        TooManyArguments(
                            span=argument.span,
                            call=call.name,
                            limit=entry.positional,
                            options=tuple(table)[entry.positional :] if table else (),
                        )
                    )
                    continue
            else:
                named = True
            if name in given:
                self.problems.append(GivenTwice(span=argument.name_span, what=f"`{name}`", first=given[name].span))
            elif name not in table:
                suggestion = suggest(name, table, self.vocabulary.habits) or home(name, self.vocabulary)
                taken = any(other.name == suggestion for other in call.arguments) or suggestion in given
                renames = self.vocabulary.renames(name, suggestion)
                meant.add(suggestion)
                self.problems.append(
                    UnknownArgument(
                        span=argument.name_span,
                        name=name,
                        call=call.name,
                        options=tuple(table),
                        suggestion=suggestion,
                        taken=taken,
                        is_plain=renames,
                    )
                )
                if suggestion in table and not taken and is_certain(name, suggestion, renames):
                    self.value(argument.value, table[suggestion].type, f"`{suggestion}`")
            else:
                given[name] = argument
        table = {name: arg for name, arg in table.items() if name in given or name not in meant}
        args = self._argument_values(call, table, given)
        return args if len(self.problems) == before else None

    def _argument_values(
        self, call: nodes.Call, table: Mapping[str, v.Arg], given: Mapping[str, nodes.Argument]
    ) -> dict[str, Value]:
        args: dict[str, Value] = {}
        for name, arg in table.items():
            if name in given:
                value = self.value(given[name].value, arg.type, f"`{name}`")
                if value is not None:
                    args[name] = value
            elif arg.default is v.REQUIRED:
                self.problems.append(
                    MissingArgument(span=call.span, name=name, call=call.name, doc=lower_first(arg.doc))
                )
            else:
                args[name] = self.default(arg)
        return args


@cache
def _parsed(default: str) -> nodes.Node:
    """Return the value that a default's text is."""
    item = parse(Source("default", f"x = {default}")).items[0]
    if not isinstance(item, nodes.Field):
        raise AssertionError(f"the default `{default}` is no value")
    return item.value


def _whole_near(node: nodes.Number, unit: str | None = None) -> str:
    """Return the whole numbers below and above a number, as choices; for a share, which counts nothing, any count."""
    if node.value < 1:
        return f"a number of {unit}, such as `500 {unit}`" if unit == "images" else ""
    below = replace(node, value=float(int(node.value)))
    above = replace(below, value=below.value + 1)
    return " or ".join(f"`{quantity_text(each)}`" for each in (below, above))


def _takes_numbers(type_: v.Type) -> bool:
    if isinstance(type_, v.Either):
        return any(_takes_numbers(option) for option in type_.options)
    return not isinstance(type_, v.Text | v.FilePath | v.HexDigits | v.OneOfStrings | v.CallOf | v.Word | v.Truth)
