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
from recipe_lang.check.describe import lower_first, quantity_text
from recipe_lang.check.hints import home
from recipe_lang.check.params import Params
from recipe_lang.check.problems.names import UnknownBlock, UnknownField, UnknownSetting
from recipe_lang.check.problems.placement import (
    BadTitle,
    MissingBlock,
    MissingField,
    UnusedParam,
)
from recipe_lang.check.selectors import Selector
from recipe_lang.check.suppress import excused
from recipe_lang.check.values import Values
from recipe_lang.compose.merge import files, merge
from recipe_lang.compose.problems import GivenTwice, Misplaced
from recipe_lang.problem import Problem, RecipeError, ordered
from recipe_lang.source import Source, Span
from recipe_lang.suggest import habit_of, is_certain, suggest
from recipe_lang.syntax import nodes
from recipe_lang.syntax.parser import parse
from recipe_lang.syntax.problems import NoVersion, OtherVersion, StrayBrace, TooDeep, UnclosedBlock, Unexpected


def check(recipe: nodes.Recipe, vocabulary: v.Vocabulary, settings: Sequence[str] = ()) -> CheckedRecipe:
    """Check a parsed recipe; `settings` are the texts of `--set NAME=VALUE`.

    Raises:
        RecipeError: with every error found, in reading order. Where there is none, `advice` has what is seldom wise.
    """
    if not _seems_recipe(recipe):
        raise RecipeError(_no_recipe(recipe, vocabulary))
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
    # With other values than the recipe's own nobody knows what an excuse was for.
    advice = excused(
        [*problems, *checker.unused_params()],
        sources,
        lambda code: not settings and code not in vocabulary.later,
    )
    return replace(checked, advice=tuple(ordered(advice)))


def _seems_recipe(recipe: nodes.Recipe) -> bool:
    """Whether a text is a recipe, however wrong: it has a version or a block, and is not mostly something else."""
    if not any(isinstance(item, nodes.Version | nodes.Block) or _means_version(item) for item in recipe.items):
        return False
    first = recipe.items[0]
    read = sum(1 + len(item.items) if isinstance(item, nodes.Block) else 1 for item in recipe.items)
    broken = sum(isinstance(item, nodes.Broken) for item in recipe.items)
    starts = isinstance(first, nodes.Version) or _means_version(first)
    return starts or len(recipe.problems) <= _FEW or len(recipe.problems) <= read - broken


_FEW = 10  # mistakes in the syntax; more of them, with no version and little that can be read, are another text


def _no_recipe(recipe: nodes.Recipe, vocabulary: v.Vocabulary) -> Problem:
    """Say the one thing that counts about a text with neither a version nor a block."""
    for problem in recipe.problems:
        if isinstance(problem, TooDeep) or recipe.source.text.lstrip().startswith("{"):
            return problem
    place = recipe.items[0].span if recipe.items else recipe.source.span(0, 0)
    span = replace(place, end=min(place.end, place.start + 1))
    return NoVersion(span=span, version=vocabulary.version, is_recipe=False)


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
            and not any(isinstance(problem, UnclosedBlock | StrayBrace | TooDeep) for problem in merged.problems)
            and not any(isinstance(item, nodes.Broken) and item.name in ("", "extends") for item in merged.items)
        )

    # --- the file ----------------------------------------------------------------------------

    def recipe(self, settings: Sequence[str]) -> CheckedRecipe:
        items = self.items
        for file in files(self.ast):
            self._version(file)
        self.params.declare(
            [item for item in items if isinstance(item, nodes.Param)],
            _settings(settings, items, self.problems),
            self.wider,
        )
        self._say_where(settings)
        fields = self._top_fields([item for item in items if isinstance(item, nodes.Field)], items)
        blocks = self._blocks([item for item in items if isinstance(item, nodes.Block)], items)
        claims = self._claims([item for item in items if isinstance(item, nodes.Block)])
        for item in items:
            if isinstance(item, nodes.Claim):
                self.problems.append(Misplaced(span=item.span, what="a claim", where="outside `expect { }`"))
        return CheckedRecipe(
            source=self.ast.source,
            fields=fields,
            blocks=blocks,
            params=tuple(
                CheckedParam(name, quantity_text(node), name in self.params.was_set, node.span)
                for name, node in self.params.values.items()
            ),
            claims=claims,
            written=self.ast,
        )

    def _say_where(self, settings: Sequence[str]) -> None:
        """Give what is wrong with the names of settings the place where a parameter of that name would stand."""
        for at, problem in enumerate(self.problems if settings else ()):
            if isinstance(problem, UnknownSetting) and not problem.suggestion:
                from recipe_lang.check.locations import how_to_write, parameter_of

                name = problem.name.rpartition(".")[2]
                self.problems[at] = replace(
                    problem,
                    suggestion=parameter_of(self.ast, name, self.vocabulary),
                    use=how_to_write(self.ast, name, f"${name}", self.vocabulary),
                )

    def unused_params(self) -> list[Problem]:
        """Return advice on the parameters that the recipe does not use."""
        declared = [item for item in self.ast.items if isinstance(item, nodes.Param)]
        unused = [param for param in declared if param.name not in self.params.used]
        return [UnusedParam(span=param.name_span, name=param.name) for param in unused]

    def _version(self, file: nodes.Recipe) -> None:
        version, items = self.vocabulary.version, file.items
        first = items[0] if items else None
        if isinstance(first, nodes.Version):
            if first.number != str(version):
                self.problems.append(OtherVersion(span=first.span, found=first.number, version=version))
        elif not any(isinstance(item, nodes.Version) for item in items) and not _means_version(first):
            place = first.span if first else file.source.span(0, 0)
            if not any(isinstance(p, TooDeep) for p in self.problems):
                span = replace(place, end=min(place.end, place.start + 1))
                self.problems.append(NoVersion(span=span, version=version))
        for item in items[1:]:
            if isinstance(item, nodes.Version):
                where = "here: it is the first line"
                self.problems.append(Misplaced(span=item.span, what="the version", where=where))

    def _top_fields(self, fields: list[nodes.Field], items: tuple[nodes.Item, ...]) -> dict[str, Value]:
        # The base comes first: selectors need its parts.
        broken = {item.name for item in items if isinstance(item, nodes.Broken)}
        found = self._fields(fields, self.vocabulary.fields, "the recipe", first="base")
        base = found.get("base")
        if base is None and "base" not in broken and not any(f.name == "base" for f in fields):
            base = self.values.default(self.vocabulary.fields["base"]) if "base" in self.vocabulary.fields else None
        if base is not None and isinstance(base.value, CallValue):
            self.selector.use(self.vocabulary.parts(base.value))
        written = {field.name for field in fields} | broken
        place = self.ast.source.span(0, 0)
        return self._filled(found, written, self.vocabulary.fields, "the recipe", place)

    # --- blocks ------------------------------------------------------------------------------

    def _blocks(self, blocks: list[nodes.Block], items: tuple[nodes.Item, ...]) -> tuple[CheckedBlock, ...]:
        types = self.vocabulary.blocks
        first: dict[str, Span] = {}
        again: set[int] = set()  # of these nothing is missing: what they say belongs into the first
        shared: dict[str, dict[str, Value]] = {}
        shared_names: dict[str, set[str]] = {}
        known = [block for block in blocks if self._known(block)]
        for block in known:
            kind = types[block.kind]
            if not self._once(block, kind, first):
                again.add(id(block))
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
            names |= set(kind.fields) if id(block) in again else set()
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
        suggestion = suggestion or self._home(suggest(block.kind, self.vocabulary.fields, self.vocabulary.habits))
        self.problems.append(UnknownBlock(span=block.kind_span, name=block.kind, options=names, suggestion=suggestion))
        return False

    def _has_broken_header(self, block: nodes.Block) -> bool:
        head = block.head_span
        starts = self.broken.get(head.source.name, [])
        return bisect_left(starts, head.start) < bisect_left(starts, head.end)

    def _home(self, name: str) -> str:
        return home(name, self.vocabulary)

    def _once(self, block: nodes.Block, kind: v.BlockType, first: dict[str, Span]) -> bool:
        """Whether a block of this title stands for the first time; what is wrong with that is reported."""
        if kind.titled != isinstance(block.title, nodes.Text) and not self._has_broken_header(block):
            self.problems.append(BadTitle(span=block.head_span, kind=block.kind, needed=kind.titled))
            return True
        what = f"the block `{block.kind}`"
        key = block.kind
        if kind.repeated and isinstance(block.title, nodes.Text):
            what = f'the {block.kind} "{block.title.value}"'
            key = f"{block.kind} {block.title.value}"
        if key in first:
            self.problems.append(GivenTwice(span=block.head_span, what=what, first=first[key]))
            return False
        first[key] = block.head_span
        return True

    def _missing_blocks(self, known: list[nodes.Block], items: tuple[nodes.Item, ...]) -> None:
        present = {block.kind for block in known}
        present |= {item.name for item in items if isinstance(item, nodes.Broken)}
        for name, kind in self.vocabulary.blocks.items():
            if kind.required and name not in present and self.knows_all and not self.unknown_blocks:
                end = self.ast.source.span(0, 0)
                header = _header(name, kind)
                self.problems.append(MissingBlock(span=end, name=name, header=header, doc=lower_first(kind.doc)))

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
                self.problems.append(Misplaced(span=_head(item), what=what, where=f"inside {where}", hint=hint))
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
                    self.problems.append(Misplaced(span=_head(item), what="this statement", where=where))
        return tuple(claim for claim in claims if claim is not None)

    def _claim(self, claim: nodes.Claim) -> CheckedClaim | None:
        metric = self.values.metric(claim.metric, self.vocabulary.sets)
        number = self.values.value(claim.value, v.Number(), f"`{claim.metric.value}`")
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
                self.problems.append(GivenTwice(span=field.name_span, what=f"`{field.name}`", first=seen[field.name]))
                continue
            seen[field.name] = field.name_span
            if field.name not in table:
                self._unknown_field(field, table, where, {each.name for each in fields})
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
            suggestion = self._home(field.name) or suggestion or self._home(meant)
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
                    self.problems.append(MissingField(span=place, name=name, where=where, doc=lower_first(arg.doc)))
            else:
                full[name] = self.values.default(arg)
        return full


def _settings(texts: Sequence[str], items: Sequence[nodes.Item], problems: list[Problem]) -> list[nodes.Field]:
    """Parse the texts of `--set`; each is `NAME=VALUE` in the language itself. Paths start where the parameter's do."""
    folders = {item.name: item.span.source.folder for item in items if isinstance(item, nodes.Param)}
    fields = []
    for text in texts:
        dotted = re.match(r"\s*([A-Za-z]\w*(\.\w+)+)\s*=", text)
        if dotted:  # the way of other tools to a field
            span = Source("--set", text).span(dotted.start(1), dotted.end(1))
            problems.append(UnknownSetting(span=span, name=dotted[1], options=tuple(folders), suggestion=""))
            continue
        recipe = parse(Source("--set", text, folders.get(text.partition("=")[0].strip())))
        problems.extend(_of_setting(problem) for problem in recipe.problems)
        if not recipe.problems:
            match recipe.items:
                case (nodes.Field() as field,):
                    fields.append(field)
                case _:
                    span = recipe.source.span(0, len(text))
                    problems.append(Misplaced(span=span, what="this", where="in `--set`: write NAME=VALUE"))
    return fields


def _of_setting(problem: Problem) -> Problem:
    """Return what is wrong with a setting's syntax, with the advice for settings."""
    text = problem.span.source.text if problem.span else ""
    if not isinstance(problem, Unexpected) or re.match(r"\s*[A-Za-z]\w*\s*=\s*[^\s=]", text):
        return problem
    return replace(problem, advice="a setting is NAME=VALUE, such as `--set lr=0.01`", fix=())


def _means_version(item: nodes.Item | None) -> bool:
    """Whether this is a version that could not be read, such as `ftr = 1` or `FTR 1`; that has been said."""
    match item:
        case nodes.Broken(name) | nodes.Block(name):
            return re.fullmatch(r"(ftr|version)[0-9]*", name, re.IGNORECASE) is not None
    return False


def _header(name: str, kind: v.BlockType) -> str:
    return f'`{name} "…" {{`' if kind.titled else f"`{name} {{`"


def _written(items: tuple[nodes.Item, ...]) -> set[str]:
    return {item.name for item in items if isinstance(item, nodes.Field | nodes.Broken)}


def _head(item: nodes.Item) -> Span:
    return item.head_span if isinstance(item, nodes.Block) else item.span
