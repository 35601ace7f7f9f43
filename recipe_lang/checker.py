"""AST to CheckedRecipe: `check(recipe, vocabulary, settings)`.

Every value is resolved (parameters, arithmetic), typed, put in range and given its default. All problems are
collected; the checker never stops at the first. It reads nothing but its arguments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from recipe_lang import errors, nodes
from recipe_lang import vocabulary as v
from recipe_lang.checked import (
    CallValue,
    CheckedBlock,
    CheckedClaim,
    CheckedParam,
    CheckedRecipe,
    Metric,
    Value,
)
from recipe_lang.diagnostics import Problem, RecipeError, ordered
from recipe_lang.parser import parse
from recipe_lang.resolve import Params
from recipe_lang.selectors import Selector
from recipe_lang.source import Source, Span
from recipe_lang.suggest import suggest
from recipe_lang.wording import describe, describe_node, fits, quantity_text, range_text


def check(recipe: nodes.Recipe, vocabulary: v.Vocabulary, settings: Sequence[str] = ()) -> CheckedRecipe:
    """Check a parsed recipe; `settings` are the texts of `--set NAME=VALUE`.

    Raises:
        RecipeError: with every error found, in reading order, advice included.
    """
    if not any(isinstance(item, nodes.Version | nodes.Block) or _means_version(item) for item in recipe.items):
        raise RecipeError(_no_recipe(recipe, vocabulary))
    checker = _Checker(recipe, vocabulary)
    checked = checker.recipe(settings)
    if checker.problems:
        raise RecipeError(ordered(checker.problems))
    problems = [problem for rule in vocabulary.rules for problem in rule(checked)]
    problems += checker.unused_params()
    if any(problem.is_error for problem in problems):
        raise RecipeError(ordered(problems))
    return replace(checked, advice=tuple(ordered(problems)))


def _no_recipe(recipe: nodes.Recipe, vocabulary: v.Vocabulary) -> Problem:
    """Say the one thing that counts about a text with neither a version nor a block."""
    for problem in recipe.problems:
        if isinstance(problem, errors.TooDeep):
            return problem
    place = recipe.items[0].span if recipe.items else recipe.source.span(0, 0)
    span = replace(place, end=min(place.end, place.start + 1))
    return errors.NoVersion(span=span, version=vocabulary.version)


class _Checker:
    def __init__(self, recipe: nodes.Recipe, vocabulary: v.Vocabulary) -> None:
        self.ast = recipe
        self.vocabulary = vocabulary
        self.problems: list[Problem] = list(recipe.problems)
        self.params = Params(self.problems, vocabulary.habits)
        self.selector = Selector(self.problems, self.params, vocabulary.habits)
        self.is_default = False
        self.meant: set[tuple[str, str]] = set()  # what unknown fields stand for, by the place that has them
        self.unknown_blocks = False
        # After a mistake in the braces or an unreadable header nobody knows what is missing.
        self.knows_all = not any(
            isinstance(problem, errors.UnclosedBlock | errors.StrayBrace | errors.TooDeep)
            for problem in recipe.problems
        ) and not any(isinstance(item, nodes.Broken) and not item.name for item in recipe.items)

    # --- the file ----------------------------------------------------------------------------

    def recipe(self, settings: Sequence[str]) -> CheckedRecipe:
        items = self.ast.items
        self._version(items)
        self.params.declare(
            [item for item in items if isinstance(item, nodes.Param)], _settings(settings, self.problems)
        )
        fields = self._top_fields([item for item in items if isinstance(item, nodes.Field)], items)
        blocks = self._blocks([item for item in items if isinstance(item, nodes.Block)], items)
        claims = self._claims([item for item in items if isinstance(item, nodes.Block)])
        for item in items:
            if isinstance(item, nodes.Claim):
                self.problems.append(errors.Misplaced(span=item.span, what="a claim", where="outside `expect { }`"))
            elif isinstance(item, nodes.Extends | nodes.Drop):
                what = "extends" if isinstance(item, nodes.Extends) else "drop"
                self.problems.append(errors.NotYet(span=item.span, what=what))
        return CheckedRecipe(
            source=self.ast.source,
            fields=fields,
            blocks=blocks,
            params=tuple(
                CheckedParam(name, quantity_text(node), name in self.params.was_set)
                for name, node in self.params.values.items()
            ),
            claims=claims,
        )

    def unused_params(self) -> list[Problem]:
        """Return advice on the parameters that the recipe does not use."""
        declared = [item for item in self.ast.items if isinstance(item, nodes.Param)]
        unused = [param for param in declared if param.name not in self.params.used]
        return [errors.UnusedParam(span=param.name_span, name=param.name) for param in unused]

    def _version(self, items: tuple[nodes.Item, ...]) -> None:
        version = self.vocabulary.version
        first = items[0] if items else None
        if isinstance(first, nodes.Version):
            if first.number != str(version):
                self.problems.append(errors.OtherVersion(span=first.span, found=first.number, version=version))
        elif not any(isinstance(item, nodes.Version) for item in items) and not _means_version(first):
            place = first.span if first else self.ast.source.span(0, 0)
            if not any(isinstance(p, errors.TooDeep) for p in self.problems):
                span = replace(place, end=min(place.end, place.start + 1))
                self.problems.append(errors.NoVersion(span=span, version=version))
        for item in items[1:]:
            if isinstance(item, nodes.Version):
                where = "here: it is the first line"
                self.problems.append(errors.Misplaced(span=item.span, what="the version", where=where))

    def _top_fields(self, fields: list[nodes.Field], items: tuple[nodes.Item, ...]) -> dict[str, Value]:
        # The base comes first: selectors need its parts.
        broken = {item.name for item in items if isinstance(item, nodes.Broken)}
        found = self._fields(fields, self.vocabulary.fields, "the recipe", first="base")
        base = found.get("base")
        if base is None and "base" not in broken and not any(f.name == "base" for f in fields):
            base = self._default(self.vocabulary.fields["base"]) if "base" in self.vocabulary.fields else None
        if base is not None and isinstance(base.value, CallValue):
            self.selector.use(self.vocabulary.parts(base.value))
        written = {field.name for field in fields} | broken
        place = self.ast.source.span(0, 0)
        return self._filled(found, written, self.vocabulary.fields, "the recipe", place)

    # --- blocks ------------------------------------------------------------------------------

    def _blocks(self, blocks: list[nodes.Block], items: tuple[nodes.Item, ...]) -> tuple[CheckedBlock, ...]:
        types = self.vocabulary.blocks
        first: dict[str, Span] = {}
        shared: dict[str, dict[str, Value]] = {}
        shared_names: dict[str, set[str]] = {}
        known = [block for block in blocks if self._known(block)]
        for block in known:
            kind = types[block.kind]
            self._once(block, kind, first)
            if kind.defaults_for is not None:
                target = types[kind.defaults_for]
                shared[target.name] = self._block_fields(block, target.fields, f"`{block.kind}`")
                shared_names[target.name] = _written(block.items)
        checked = []
        for block in known:
            kind = types[block.kind]
            if kind.claims or kind.defaults_for is not None:
                continue
            title = block.title.value if isinstance(block.title, nodes.Text) else ""
            where = f'{block.kind} "{title}"' if kind.titled else f"`{block.kind}`"
            own = self._block_fields(block, kind.fields, where)
            inherited = {
                name: value for name, value in shared.get(kind.name, {}).items() if name not in _written(block.items)
            }
            names = _written(block.items) | shared_names.get(kind.name, set())
            fields = self._filled({**inherited, **own}, names, kind.fields, where, block.head_span)
            checked.append(CheckedBlock(block.kind, title, fields, block.span, block.head_span))
        self._missing_blocks(known, items)
        return tuple(checked)

    def _known(self, block: nodes.Block) -> bool:
        if block.kind in self.vocabulary.blocks:
            return True
        self.unknown_blocks = True
        if self._has_broken_header(block):
            return False
        names = tuple(self.vocabulary.blocks)
        suggestion = suggest(block.kind, names, self.vocabulary.habits) or self._home(block.kind)
        self.problems.append(
            errors.UnknownBlock(span=block.kind_span, name=block.kind, options=names, suggestion=suggestion)
        )
        return False

    def _has_broken_header(self, block: nodes.Block) -> bool:
        head = block.head_span
        return any(p.span and head.start <= p.span.start < head.end for p in self.ast.problems)

    def _home(self, name: str) -> str:
        """Say where a field belongs; empty when nowhere."""
        homes = tuple(f"`{kind.name}`" for kind in self.vocabulary.blocks.values() if name in kind.fields)
        if homes:
            return f"`{name}` is a field of {errors.listed(homes)}: write `{name} = …` there"
        known = name in self.vocabulary.fields
        return f"`{name} = …` stands at the top of the recipe, outside the blocks" if known else ""

    def _once(self, block: nodes.Block, kind: v.BlockType, first: dict[str, Span]) -> None:
        if kind.titled != isinstance(block.title, nodes.Text) and not self._has_broken_header(block):
            self.problems.append(errors.BadTitle(span=block.head_span, kind=block.kind, needed=kind.titled))
            return
        what = f"the block `{block.kind}`"
        key = block.kind
        if kind.repeated and isinstance(block.title, nodes.Text):
            what = f'the {block.kind} "{block.title.value}"'
            key = f"{block.kind} {block.title.value}"
        if key in first:
            self.problems.append(errors.GivenTwice(span=block.head_span, what=what, first=first[key]))
        first.setdefault(key, block.head_span)

    def _missing_blocks(self, known: list[nodes.Block], items: tuple[nodes.Item, ...]) -> None:
        present = {block.kind for block in known}
        present |= {item.name for item in items if isinstance(item, nodes.Broken)}
        for name, kind in self.vocabulary.blocks.items():
            if kind.required and name not in present and self.knows_all and not self.unknown_blocks:
                end = self.ast.source.span(0, 0)
                header = _header(name, kind)
                self.problems.append(errors.MissingBlock(span=end, name=name, header=header, doc=_lower(kind.doc)))

    def _block_fields(self, block: nodes.Block, fields: Mapping[str, v.Arg], where: str) -> dict[str, Value]:
        for item in block.items:
            is_header = isinstance(item, nodes.Block) and self._has_broken_header(item)
            if not (isinstance(item, nodes.Field | nodes.Broken) or is_header):
                what = {
                    nodes.Claim: "a claim",
                    nodes.Block: "a block",
                    nodes.Param: "a parameter",
                }.get(type(item), "this statement")
                is_field = isinstance(item, nodes.Block) and item.kind in fields
                hint = f"write it as a field: `{item.kind} = …`" if isinstance(item, nodes.Block) and is_field else ""
                self.problems.append(errors.Misplaced(span=_head(item), what=what, where=f"inside {where}", hint=hint))
        return self._fields([i for i in block.items if isinstance(i, nodes.Field)], fields, where)

    def _claims(self, blocks: list[nodes.Block]) -> tuple[CheckedClaim, ...]:
        claims = []
        for block in blocks:
            kind = self.vocabulary.blocks.get(block.kind)
            if kind is None or not kind.claims:
                continue
            for item in block.items:
                if isinstance(item, nodes.Claim):
                    claims.append(self._claim(item))
                elif not isinstance(item, nodes.Broken):
                    where = f"inside `{block.kind}`: it holds claims such as `test.accuracy >= 90%`"
                    self.problems.append(errors.Misplaced(span=_head(item), what="this statement", where=where))
        return tuple(claim for claim in claims if claim is not None)

    def _claim(self, claim: nodes.Claim) -> CheckedClaim | None:
        metric = self._metric(claim.metric, self.vocabulary.sets)
        number = self.value(claim.value, v.Number(), f"`{claim.metric.value}`")
        if metric is None or number is None:
            return None
        return CheckedClaim(metric, claim.operator, float(number.value), claim.span)

    # --- fields ------------------------------------------------------------------------------

    def _fields(
        self, fields: list[nodes.Field], table: Mapping[str, v.Arg], where: str, first: str = ""
    ) -> dict[str, Value]:
        """Check the fields that are written; the one named `first` before the others."""
        seen: dict[str, Span] = {}
        found: dict[str, Value] = {}
        for field in sorted(fields, key=lambda field: field.name != first):
            if field.name in seen:
                self.problems.append(
                    errors.GivenTwice(span=field.name_span, what=f"`{field.name}`", first=seen[field.name])
                )
                continue
            seen[field.name] = field.name_span
            if field.name not in table:
                self._unknown_field(field, table, where)
                continue
            value = self.value(field.value, table[field.name].type, f"`{field.name}`")
            if value is not None:
                found[field.name] = value
        return found

    def _unknown_field(self, field: nodes.Field, table: Mapping[str, v.Arg], where: str) -> None:
        suggestion = suggest(field.name, table, self.vocabulary.habits)
        if table is self.vocabulary.fields:
            suggestion = self._block_meant(field.name) or suggestion
        if field.name in self.vocabulary.fields or not suggestion:
            suggestion = self._home(field.name) or suggestion
        self.meant |= {(where, name) for name in (suggestion, *re.findall(r"`(\w+) = ", suggestion))}
        self.problems.append(
            errors.UnknownField(
                span=field.name_span,
                name=field.name,
                where=where,
                options=tuple(table),
                suggestion=suggestion,
            )
        )

    def _block_meant(self, name: str) -> str:
        """Say how a block is written where a field stands for one, `data = { … }`; empty where none does."""
        near = suggest(name, [*self.vocabulary.fields, *self.vocabulary.blocks])
        if near not in self.vocabulary.blocks:
            return ""
        self.unknown_blocks = True
        return f"a block has no `=`: write {_header(near, self.vocabulary.blocks[near])} … `}}`"

    def _filled(
        self,
        found: Mapping[str, Value],
        written: set[str],
        table: Mapping[str, v.Arg],
        where: str,
        place: Span,
    ) -> dict[str, Value]:
        """Add the defaults in the table's order; report fields that must be written."""
        full: dict[str, Value] = {}
        for name, arg in table.items():
            if name in found:
                full[name] = found[name]
            elif name in written or (where, name) in self.meant:
                continue
            elif arg.default is v.REQUIRED:
                if self.knows_all:
                    self.problems.append(errors.MissingField(span=place, name=name, where=where, doc=_lower(arg.doc)))
            else:
                full[name] = self._default(arg)
        return full

    def _default(self, arg: v.Arg) -> Value:
        if not isinstance(arg.default, v.Default):
            return Value(arg.default)
        outer, self.is_default = self.is_default, True
        value = self.value(_parsed(arg.default.text), arg.type, f"`{arg.name}`")
        self.is_default = outer
        if value is None:
            raise AssertionError(f"the default of `{arg.name}` does not check")
        return value

    # --- values ------------------------------------------------------------------------------

    def value(self, written: nodes.Node, type_: v.Type, what: str) -> Value | None:
        """Check a value against a type; None when it was reported as wrong."""
        if isinstance(written, nodes.Arithmetic | nodes.Negative) and not _takes_numbers(type_):
            return self._wrong(written, type_, what)
        if isinstance(type_, v.Select):
            selection = self.selector.select(written)
            return None if selection is None else self._made(selection, written)
        node = self.params.resolve(written)
        if node is None:
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
                metric = self._metric(node, type_.sets)
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

    def _wrong(self, node: nodes.Node, type_: v.Type, what: str) -> Value | None:
        self.problems.append(
            errors.WrongType(
                span=node.span,
                what=what,
                expected=describe(type_, self.vocabulary),
                found=describe_node(node),
                hint=self._hint(node, type_),
            )
        )
        return None

    def _hint(self, node: nodes.Node, type_: v.Type) -> str:
        options = type_.options if isinstance(type_, v.Either) else (type_,)
        if isinstance(node, nodes.Name) and node.value in self.params.values:
            return f"the parameter is `${node.value}`"
        for option in options:
            if isinstance(node, nodes.Text) and fits(_unquoted(node), option, self.vocabulary):
                return f"write it without the quotes: `{node.value}`"
            if isinstance(node, nodes.Number) and isinstance(option, v.Truth):
                return f"write `{'true' if node.value else 'false'}`"
            if isinstance(option, v.ListOf) and fits(node, option.item, self.vocabulary):
                return f"write a list: `[{node.span.text}]`"
        if not any(isinstance(option, v.MapOf) for option in options):
            for option in options:
                call = self._call_of(node, option)
                if call:
                    return f"write `{call}({node.span.text})`"
        if isinstance(node, nodes.Arithmetic) and any(isinstance(o, v.FilePath) for o in options):
            return f'write it in quotes: `"{node.span.text}"`'
        if isinstance(node, nodes.Name):
            zoo, _, name = node.value.partition(".")
            for option in options:
                if name and self._call_of(nodes.Text(name, node.span), option) == zoo:
                    return f'write `{zoo}("{name}")`'
            if any(isinstance(o, v.Text | v.FilePath | v.OneOfStrings) for o in options):
                return f'write it in quotes: `"{node.value}"`'
            words = [name for o in options for name in _words(o)]
            return errors.suggested(suggest(node.value, words, self.vocabulary.habits))
        if isinstance(node, nodes.Call):
            return errors.suggested(suggest(node.name, (), self.vocabulary.habits))
        return ""

    def _call_of(self, node: nodes.Node, type_: v.Type, listed: bool = False) -> str:
        """Return the name of a call that would take a value as its first argument; empty when none does.

        `listed` asks for one that has the value in its list of names.
        """
        if not isinstance(type_, v.CallOf) or not isinstance(node, nodes.Text | nodes.Number):
            return ""
        entries = [entry for name in type_.families for entry in self.vocabulary.families[name].entries.values()]
        for entry in entries:
            first = entry.args[0].type if entry.args and entry.positional else None
            takes = node.value in first.options if isinstance(first, v.OneOfStrings) else not listed
            if first is not None and takes and fits(node, first, self.vocabulary):
                return entry.name
        return ""

    def _number(self, node: nodes.Node, type_: v.Number, what: str) -> Value | None:
        if not isinstance(node, nodes.Number):
            return self._wrong(node, type_, what)
        value, unit = node.value, node.unit
        if unit != type_.unit and not (unit is None and type_.unit_optional):
            example = f"{value:g}{type_.unit}" if type_.unit == "px" else f"{value:g} {type_.unit or ''}"
            self.problems.append(
                errors.WrongUnit(
                    span=node.span,
                    what=what,
                    found=unit or "",
                    expected=f"a number of {type_.unit}" if type_.unit else "a plain number",
                    example=example.strip(),
                )
            )
            return None
        shown = quantity_text(node)
        if type_.whole and value != int(value):
            self.problems.append(errors.NotWhole(span=node.span, what=what, found=shown))
            return None
        too_low = type_.low is not None and (value < type_.low or (type_.above and value == type_.low))
        too_high = type_.high is not None and (value > type_.high or (type_.below and value == type_.high))
        if too_low or too_high:
            is_share = type_.high == 1 and type_.unit is None and 1 < value <= 100
            hint = f"a share is written `{value:g}%` or `{value / 100:g}`" if is_share else ""
            allowed = range_text(type_)
            self.problems.append(errors.OutOfRange(span=node.span, what=what, found=shown, allowed=allowed, hint=hint))
            return None
        return self._made(int(value) if type_.whole else value, node)

    def _duration(self, node: nodes.Node, type_: v.Duration, what: str) -> Value | None:
        if not isinstance(node, nodes.Number):
            return self._wrong(node, type_, what)
        if node.unit not in ("epochs", "steps"):
            self.problems.append(
                errors.WrongUnit(
                    span=node.span,
                    what=what,
                    found=node.unit or "",
                    expected="a number of epochs or steps",
                    example=f"{node.value:g} epochs" if node.value > 1 else "1 epoch",
                )
            )
            return None
        if (type_.whole or node.unit == "steps") and node.value != int(node.value):
            self.problems.append(errors.NotWhole(span=node.span, what=what, found=quantity_text(node)))
            return None
        if node.value < 0 or (node.value == 0 and not type_.zero) or node.value > 1e7:
            self.problems.append(
                errors.OutOfRange(
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
        if isinstance(node, nodes.Name | nodes.Call):
            for option in type_.options:  # an unknown name gets its family's suggestion
                if isinstance(option, v.CallOf) and not (isinstance(node, nodes.Name) and "." in node.value):
                    return self._call(node, option, what)
                if isinstance(option, v.MetricOf) and isinstance(node, nodes.Name):
                    metric = self._metric(node, option.sets)
                    return None if metric is None else self._made(metric, node)
        return self._wrong(node, type_, what)

    def _text(self, node: nodes.Text, type_: v.Type) -> Value | None:
        match type_:
            case v.FilePath():
                folder = Path(node.span.source.name).parent
                return self._made(folder / node.value, node)
            case v.HexDigits():
                digits = node.value.lower()
                if not 8 <= len(digits) <= 64 or digits.strip("0123456789abcdef"):
                    self.problems.append(errors.BadHash(span=node.span))
                    return None
                return self._made(digits, node)
            case v.OneOfStrings(noun, options) if node.value not in options:
                self.problems.append(
                    errors.UnknownString(
                        span=node.span,
                        name=node.value,
                        noun=noun,
                        suggestion=suggest(node.value, options),
                    )
                )
                return None
        return self._made(node.value, node)

    def _word(self, node: nodes.Name, type_: v.Word) -> Value | None:
        if node.value in type_.options:
            return self._made(node.value, node)
        self.problems.append(
            errors.UnknownWord(
                span=node.span,
                name=node.value,
                options=tuple(type_.options),
                suggestion=suggest(node.value, type_.options, self.vocabulary.habits),
            )
        )
        return None

    def _metric(self, node: nodes.Name, sets: tuple[str, ...]) -> Metric | None:
        set_, _, name = node.value.partition(".")
        if set_ in sets and name in self.vocabulary.metrics:
            return Metric(set_, name)
        known = [f"{s}.{name}" for s in sets for name in self.vocabulary.metrics]
        self.problems.append(
            errors.UnknownMetric(
                span=node.span,
                name=node.value,
                sets=sets,
                metrics=tuple(self.vocabulary.metrics),
                suggestion=suggest(node.value, known, self.vocabulary.habits),
            )
        )
        return None

    def _list(self, node: nodes.List, type_: v.ListOf, what: str) -> Value | None:
        if len(node.items) < type_.least:
            self.problems.append(errors.TooFew(span=node.span, what=what, least=type_.least))
            return None
        values = [self.value(item, type_.item, what) for item in node.items]
        return self._made(tuple(values), node) if all(value is not None for value in values) else None

    def _range(self, node: nodes.Range, type_: v.RangeOf, what: str) -> Value | None:
        low = self.value(node.low, type_.item, what)
        high = self.value(node.high, type_.item, what)
        if low is None or high is None:
            return None
        if low.value > high.value:
            self.problems.append(errors.BackwardRange(span=node.span, low=node.low.span.text, high=node.high.span.text))
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
        names = tuple(name for family in families for name in family.entries)
        holder = "" if call.arguments else self._call_of(nodes.Text(call.name, call.span), type_, listed=True)
        suggestion = f'write `{holder}("{call.name}")`' if holder else ""
        self.problems.append(
            errors.UnknownEntry(
                span=call.name_span,
                name=call.name,
                noun=families[0].noun,
                options=names,
                suggestion=suggestion or suggest(call.name, names, self.vocabulary.habits),
            )
        )
        return None

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
                    self.problems.append(errors.PositionalAfterNamed(span=argument.span))
                    continue
                name = next(positional, None)
                if name is None:
                    self.problems.append(
                        errors.TooManyArguments(
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
                self.problems.append(
                    errors.GivenTwice(span=argument.name_span, what=f"`{name}`", first=given[name].span)
                )
            elif name not in table:
                suggestion = suggest(name, table, self.vocabulary.habits)
                meant.add(suggestion)
                self.problems.append(
                    errors.UnknownArgument(
                        span=argument.name_span,
                        name=name,
                        call=call.name,
                        options=tuple(table),
                        suggestion=suggestion,
                    )
                )
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
                    errors.MissingArgument(span=call.span, name=name, call=call.name, doc=_lower(arg.doc))
                )
            else:
                args[name] = self._default(arg)
        return args


def _settings(texts: Sequence[str], problems: list[Problem]) -> list[nodes.Field]:
    """Parse the texts of `--set`; each is `NAME=VALUE` in the language itself."""
    fields = []
    for text in texts:
        recipe = parse(Source("--set", text))
        problems.extend(recipe.problems)
        if not recipe.problems:
            match recipe.items:
                case (nodes.Field() as field,):
                    fields.append(field)
                case _:
                    span = recipe.source.span(0, len(text))
                    problems.append(errors.Misplaced(span=span, what="this", where="in `--set`: write NAME=VALUE"))
    return fields


@cache
def _parsed(default: str) -> nodes.Node:
    """Return the value that a default's text is."""
    item = parse(Source("default", f"x = {default}")).items[0]
    if not isinstance(item, nodes.Field):
        raise AssertionError(f"the default `{default}` is no value")
    return item.value


def _means_version(item: nodes.Item | None) -> bool:
    """Whether this is a version that could not be read, such as `ftr = 1` or `FTR 1`; that has been said."""
    match item:
        case nodes.Broken(name) | nodes.Block(name):
            return re.fullmatch(r"(ftr|version)[0-9]*", name, re.IGNORECASE) is not None
    return False


def _header(name: str, kind: v.BlockType) -> str:
    return f'`{name} "…" {{`' if kind.titled else f"`{name} {{`"


def _unquoted(text: nodes.Text) -> nodes.Node:
    """Return the value that a string's text would be without the quotes; the string itself where it is none."""
    recipe = parse(Source("", f"x = {text.value[:_SHORT]}"))
    item = recipe.items[0] if len(recipe.items) == 1 and not recipe.problems else None
    return item.value if isinstance(item, nodes.Field) else text


_SHORT = 80  # characters; nobody quotes a longer value by mistake


def _written(items: tuple[nodes.Item, ...]) -> set[str]:
    return {item.name for item in items if isinstance(item, nodes.Field | nodes.Broken)}


def _takes_numbers(type_: v.Type) -> bool:
    if isinstance(type_, v.Either):
        return any(_takes_numbers(option) for option in type_.options)
    return not isinstance(type_, v.Text | v.FilePath | v.HexDigits | v.OneOfStrings | v.CallOf | v.Word | v.Truth)


def _words(type_: v.Type) -> tuple[str, ...]:
    if isinstance(type_, v.Word):
        return tuple(type_.options)
    return ("true", "false") if isinstance(type_, v.Truth) else ()


def _head(item: nodes.Item) -> Span:
    return item.head_span if isinstance(item, nodes.Block) else item.span


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:].rstrip(".")
