"""AST to CheckedRecipe: `check(recipe, vocabulary, settings)`.

Every value is resolved (parameters, arithmetic), typed, put in range and given its default. All problems are
collected; the checker never stops at the first. It reads nothing but its arguments.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace

from recipe_lang.check import vocabulary as v
from recipe_lang.check.checked import (
    CallValue,
    CheckedBlock,
    CheckedClaim,
    CheckedParam,
    CheckedRecipe,
    Value,
)
from recipe_lang.check.conditions import written_words
from recipe_lang.check.describe import lower_first
from recipe_lang.check.hints import home
from recipe_lang.check.params import Params
from recipe_lang.check.problems.names import UnknownBlock, UnknownField
from recipe_lang.check.problems.placement import (
    BadTitle,
    BeginsNowhere,
    MissingBlock,
    MissingField,
    UnusedParam,
)
from recipe_lang.check.quantities import quantity_text
from recipe_lang.check.selectors import Selector
from recipe_lang.check.settings import parsed, with_place
from recipe_lang.check.suppress import apply_suppressions
from recipe_lang.check.values import Values
from recipe_lang.check.version import no_recipe, seems_recipe, version_problems
from recipe_lang.compose.merge import files, merge
from recipe_lang.compose.problems import GivenTwice, Misplaced
from recipe_lang.problem import Problem, RecipeError, ordered
from recipe_lang.source import Source, Span
from recipe_lang.suggest import habit_of, is_certain, suggest
from recipe_lang.syntax import nodes
from recipe_lang.syntax.parser import parse
from recipe_lang.syntax.problems import StrayBrace, TooDeep, UnclosedBlock
from recipe_lang.words import listed


def check(recipe: nodes.Recipe, vocabulary: v.Vocabulary, settings: Sequence[str] = ()) -> CheckedRecipe:
    """Check a parsed recipe; `settings` are the texts of `--set NAME=VALUE`.

    Raises:
        RecipeError: with every error found, in reading order. Where there is none, `advice` has what is seldom wise.
    """
    if not seems_recipe(recipe):
        raise RecipeError(no_recipe(recipe, vocabulary.version))
    checker = _Checker(recipe, vocabulary)
    checked = checker.recipe(settings)
    checker.problems += [problem for rule in vocabulary.claim_rules for problem in rule(checked)]
    if checker.problems:
        # Of a word that JSON does not know, it is not said that it is no good value.
        refused = {problem.span for problem in recipe.problems} if recipe.source.is_json else set()
        raise RecipeError(ordered([*recipe.problems, *(p for p in checker.problems if p.span not in refused)]))
    problems = [problem for rule in vocabulary.rules for problem in rule(checked)]
    errors_found = [problem for problem in problems if problem.is_error]
    if errors_found:
        raise RecipeError(ordered(errors_found))
    sources = [file.source for file in files(recipe)]
    # With other values than the recipe's own nobody knows what a suppression was for.
    advice = apply_suppressions(
        [*problems, *checker.unused_params()],
        sources,
        lambda code: not settings and code not in vocabulary.later,
    )
    return replace(checked, advice=tuple(ordered(advice)))


def check_value(source: Source, type_: v.Type, vocabulary: v.Vocabulary) -> Value:
    """Check a text of one field, `NAME = VALUE`, that takes values of a type.

    Raises:
        RecipeError: with every error found.
    """
    recipe = parse(source)
    problems: list[Problem] = [*recipe.problems]
    value = None
    match recipe.items:
        case (nodes.Field() as field,):
            params = Params(problems, vocabulary.habits)
            values = Values(vocabulary, params, Selector(problems, params, vocabulary.habits), problems)
            value = values.value(field.value, type_, f"`{field.name}`")
        case _ if not problems:
            problems.append(
                Misplaced(span=source.span(0, len(source.text)), what="this", where="here: write one value")
            )
    if problems or value is None:
        raise RecipeError(ordered(problems))
    return value


class _Checker:
    def __init__(self, recipe: nodes.Recipe, vocabulary: v.Vocabulary) -> None:
        merged = merge(recipe)
        self.ast = recipe
        self.items = merged.items
        self.wider = merged.wider
        self.vocabulary = vocabulary
        self.problems: list[Problem] = list(merged.problems)
        self.params = Params(self.problems, vocabulary.habits)
        self.selector = Selector(self.problems, self.params, vocabulary.habits)
        self.values = Values(vocabulary, self.params, self.selector, self.problems)
        self.meant: set[tuple[str, str]] = set()  # what unknown fields stand for, by the place that has them
        self.unknown_blocks = False
        self.broken: dict[str, list[int]] = {}  # where the syntax is wrong, by source, in order
        for span in sorted((p.span for p in merged.problems if p.span), key=lambda span: span.start):
            self.broken.setdefault(span.source.name, []).append(span.start)
        # After a mistake in the braces or an unreadable header nobody knows what is missing.
        self.knows_all = (
            merged.complete
            and not any(problem.kind in (UnclosedBlock, StrayBrace, TooDeep) for problem in merged.problems)
            and not any(isinstance(item, nodes.Broken) and item.name in ("", "extends") for item in merged.items)
        )

    # --- the file ----------------------------------------------------------------------------

    def recipe(self, settings: Sequence[str]) -> CheckedRecipe:
        for file in files(self.ast):
            self.problems += version_problems(file, self.vocabulary.version, self.problems)
        params = [item for item in self.items if isinstance(item, nodes.Param)]
        self.params.declare(params, parsed(settings, self.items, self.problems), self.wider)
        self.values.names.narrow(written_words(self.items, self.params.values, self.vocabulary))
        self.vocabulary = self.values.vocabulary
        if settings:
            self.problems[:] = [with_place(problem, self.ast, self.vocabulary) for problem in self.problems]
        fields, blocks, claims = self._top_fields(), self._blocks(), self._claims()
        for item in self.items:
            if isinstance(item, nodes.Claim):
                self.problems.append(Misplaced(span=item.span, what="a claim", where="outside `expect { }`"))
        return CheckedRecipe(
            source=self.ast.source,
            fields=fields,
            blocks=blocks,
            params=tuple(
                CheckedParam(
                    name, quantity_text(node), name in self.params.was_set, node.span, self.params.domains[name]
                )
                for name, node in self.params.values.items()
            ),
            claims=claims,
            written=self.ast,
        )

    def unused_params(self) -> list[Problem]:
        """Return advice on the parameters that the recipe does not use."""
        declared = [item for item in self.ast.items if isinstance(item, nodes.Param)]
        unused = [param for param in declared if param.name not in self.params.used]
        return [UnusedParam(span=param.name_span, name=param.name) for param in unused]

    def _top_fields(self) -> dict[str, Value]:
        table, written = self.vocabulary.fields, _written(self.items)
        found = self._fields(self.items, table, "the recipe")
        base = found.get("base")
        if "base" in table and "base" not in written:
            base = self.values.default(table["base"])
        if base is not None and isinstance(base.value, CallValue):
            self.selector.use(self.vocabulary.parts(base.value))
        return self._filled(found, written, table, "the recipe", self.ast.source.span(0, 0))

    # --- blocks ------------------------------------------------------------------------------

    def _blocks(self) -> tuple[CheckedBlock, ...]:
        types = self.vocabulary.blocks
        known = [item for item in self.items if isinstance(item, nodes.Block) and self._known(item)]
        first: dict[str, Span] = {}
        again = {id(block) for block in known if not self._once(block, types[block.kind], first)}
        shared: dict[str, tuple[dict[str, Value], set[str]]] = {}
        for block in known:
            target = types[block.kind].defaults_for
            if target is not None:
                own = self._block_fields(block, replace(types[target], inside={}), f"`{block.kind}`")
                shared[target] = (own, _written(block.items))
        self._missing_blocks(known)
        return tuple(
            self._block(block, *shared.get(block.kind, ({}, set())), id(block) in again)
            for block in known
            if not types[block.kind].claims and types[block.kind].defaults_for is None
        )

    def _block(
        self, block: nodes.Block, shared: Mapping[str, Value], shared_names: set[str], is_again: bool
    ) -> CheckedBlock:
        """Check a block; of one that stands again nothing is missing, since what it says belongs into the first."""
        kind = self.vocabulary.blocks[block.kind]
        title = block.title.value if isinstance(block.title, nodes.Text) else ""
        where = f'{block.kind} "{title}"' if kind.titled else f"`{block.kind}`"
        own, written = self._block_fields(block, kind, where), _written(block.items)
        found = {**{name: value for name, value in shared.items() if name not in written}, **own}
        names = set(kind.fields) if is_again else written | shared_names
        fields = self._filled(found, names, kind.fields, where, block.head_span)
        inner = (item for item in block.items if isinstance(item, nodes.Block) and item.kind in kind.inside)
        inside = tuple(self._inner(item, kind.inside[item.kind]) for item in inner)
        return CheckedBlock(block.kind, title, fields, block.span, block.head_span, inside=inside)

    def _inner(self, block: nodes.Block, kind: v.BlockType) -> CheckedBlock:
        """Check a block that stands inside another one: what it does not write has no default."""
        assert kind.begins is not None
        begins = None
        if isinstance(block.title, nodes.Number):
            begins = self.values.value(block.title, kind.begins, f"`{block.kind}`")
        elif not self._has_broken_header(block):
            self.problems.append(BeginsNowhere(span=block.head_span, block=block.kind))
        found = self._block_fields(block, kind, f"`{block.kind}`")
        fields = {name: found[name] for name in kind.fields if name in found}
        return CheckedBlock(block.kind, "", fields, block.span, block.head_span, begins)

    def _known(self, block: nodes.Block) -> bool:
        if block.kind in self.vocabulary.blocks:
            return True
        self.unknown_blocks = True
        if self._has_broken_header(block):
            return False
        names = tuple(self.vocabulary.blocks)
        suggestion = suggest(block.kind, names, self.vocabulary.habits) or home(block.kind, self.vocabulary)
        if not suggestion:
            suggestion = home(suggest(block.kind, self.vocabulary.fields, self.vocabulary.habits), self.vocabulary)
        self.problems.append(UnknownBlock(span=block.kind_span, name=block.kind, options=names, suggestion=suggestion))
        return False

    def _has_broken_header(self, block: nodes.Block) -> bool:
        head = block.head_span
        starts = self.broken.get(head.source.name, [])
        return bisect_left(starts, head.start) < bisect_left(starts, head.end)

    def _once(self, block: nodes.Block, kind: v.BlockType, first: dict[str, Span]) -> bool:
        """Whether a block of this title stands for the first time; what is wrong with that is reported."""
        if kind.titled != isinstance(block.title, nodes.Text) and not self._has_broken_header(block):
            self.problems.append(BadTitle(span=block.head_span, block=block.kind, needed=kind.titled))
            return True
        what = f"the block `{block.kind}`"
        if kind.repeated and isinstance(block.title, nodes.Text):
            what = f'the {block.kind} "{block.title.value}"'
        if what in first:
            self.problems.append(GivenTwice(span=block.head_span, what=what, first=first[what]))
            return False
        first[what] = block.head_span
        return True

    def _missing_blocks(self, known: list[nodes.Block]) -> None:
        if not self.knows_all or self.unknown_blocks:
            return
        present = {item.name for item in self.items if isinstance(item, nodes.Broken)} | {block.kind for block in known}
        for name, kind in self.vocabulary.blocks.items():
            if kind.required and name not in present:
                end, header = self.ast.source.span(0, 0), _header(name, kind)
                self.problems.append(MissingBlock(span=end, name=name, header=header, doc=lower_first(kind.doc)))

    def _block_fields(self, block: nodes.Block, kind: v.BlockType, where: str) -> dict[str, Value]:
        for item in block.items:
            inner = item if isinstance(item, nodes.Block) else None
            if isinstance(item, nodes.Field | nodes.Broken):
                continue
            if inner and (inner.kind in kind.inside or self._has_broken_header(inner)):
                continue
            what = _STATEMENTS.get(type(item), "this statement")
            hint = f"write it as a field: `{inner.kind} = …`" if inner and inner.kind in kind.fields else ""
            if inner and isinstance(inner.title, nodes.Number) and kind.inside:
                hint = f"what holds from there on stands in `{next(iter(kind.inside))} {inner.title.span.text} {{`"
            self.problems.append(Misplaced(span=_head(item), what=what, where=f"inside {where}", hint=hint))
        return self._fields(block.items, kind.fields, where)

    def _claims(self) -> tuple[CheckedClaim, ...]:
        kinds = {name for name, kind in self.vocabulary.blocks.items() if kind.claims}
        claims = []
        for block in (item for item in self.items if isinstance(item, nodes.Block) and item.kind in kinds):
            for item in block.items:
                if isinstance(item, nodes.Claim):
                    claims.append(self._claim(item))
                elif not isinstance(item, nodes.Broken):
                    where = f"inside `{block.kind}`: it holds claims such as `test.accuracy >= 90%`"
                    self.problems.append(Misplaced(span=_head(item), what="this statement", where=where))
        return tuple(claim for claim in claims if claim is not None)

    def _claim(self, claim: nodes.Claim) -> CheckedClaim | None:
        metric = self.values.names.metric(claim.metric, self.vocabulary.sets)
        number = self.values.value(claim.value, v.Number(), f"`{claim.metric.value}`")
        seeds = Value(0) if claim.seeds is None else self.values.value(claim.seeds, v.SEEDS, "`over`")
        if metric is None or number is None or seeds is None:
            return None
        return CheckedClaim(metric, claim.operator, float(number.value), int(seeds.value), claim.span)

    # --- fields ------------------------------------------------------------------------------

    def _fields(self, items: Sequence[nodes.Item], table: Mapping[str, v.Arg], where: str) -> dict[str, Value]:
        """Check the fields among the statements of a place."""
        fields = [item for item in items if isinstance(item, nodes.Field)]
        names = {field.name for field in fields}
        seen: dict[str, Span] = {}
        found: dict[str, Value] = {}
        for field in fields:
            if field.name in seen:
                self.problems.append(GivenTwice(span=field.name_span, what=f"`{field.name}`", first=seen[field.name]))
                continue
            seen[field.name] = field.name_span
            if field.name not in table:
                self._unknown_field(field, table, where, names)
                continue
            value = self.values.value(field.value, table[field.name].type, f"`{field.name}`")
            if value is not None:
                found[field.name] = value
        return found

    def _unknown_field(self, field: nodes.Field, table: Mapping[str, v.Arg], where: str, names: set[str]) -> None:
        suggestion = suggest(field.name, table, self.vocabulary.habits)
        if table is self.vocabulary.fields:
            suggestion = self._block_meant(field.name, " " in suggestion) or suggestion
        if field.name in self.vocabulary.fields or not suggestion:
            meant = habit_of(field.name, self.vocabulary.habits).split("|")[0]
            suggestion = home(field.name, self.vocabulary) or suggestion or home(meant, self.vocabulary)
        holder = self._holder_of(table)
        if holder and suggestion not in table:
            names_here = listed(tuple(f"`{name}`" for name in table), "and")
            suggestion = f"{where} takes {names_here}; what changes all else begins a `{holder}` of its own"
        self.meant |= {(where, name) for name in (suggestion, *re.findall(r"`(\w+) = ", suggestion))}
        taken, renames = suggestion in names, self.vocabulary.renames(field.name, suggestion)
        self.problems.append(
            UnknownField(
                span=field.name_span,
                name=field.name,
                where=where,
                options=tuple(table),
                suggestion=suggestion,
                taken=taken,
                is_plain=renames,
            )
        )
        if suggestion in table and not taken and is_certain(field.name, suggestion, renames):
            self.values.value(field.value, table[suggestion].type, f"`{suggestion}`")

    def _holder_of(self, table: Mapping[str, v.Arg]) -> str:
        """Return the block that the block of these fields stands inside of; empty where it stands in none."""
        blocks = self.vocabulary.blocks.values()
        return next((kind.name for kind in blocks if any(each.fields is table for each in kind.inside.values())), "")

    def _block_meant(self, name: str, is_answered: bool) -> str:
        """Say how a block is written where a field stands for one, `data = { … }`; empty where none does.

        A word that has an answer of its own must be closer.
        """
        near = suggest(name, [*self.vocabulary.fields, *self.vocabulary.blocks])
        if near not in self.vocabulary.blocks or (is_answered and not is_certain(name, near, False)):
            return ""
        self.unknown_blocks = True
        return f"a block has no `=`: write {_header(near, self.vocabulary.blocks[near])} … `}}`"

    def _filled(
        self,
        found: Mapping[str, Value],
        written: set[str],
        table: Mapping[str, v.Arg],
        where: str,
        span: Span,
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
                    self.problems.append(MissingField(span=span, name=name, where=where, doc=lower_first(arg.doc)))
            else:
                full[name] = self.values.default(arg)
        return full


_STATEMENTS = {nodes.Claim: "a claim", nodes.Block: "a block", nodes.Param: "a parameter"}


def _header(name: str, kind: v.BlockType) -> str:
    return f'`{name} "…" {{`' if kind.titled else f"`{name} {{`"


def _written(items: tuple[nodes.Item, ...]) -> set[str]:
    return {item.name for item in items if isinstance(item, nodes.Field | nodes.Broken)}


def _head(item: nodes.Item) -> Span:
    return item.head_span if isinstance(item, nodes.Block) else item.span
