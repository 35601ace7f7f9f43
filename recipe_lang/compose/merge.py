"""A recipe and its parents as one: `merge(recipe) -> Merged`.

Blocks match by kind and title and merge field by field, one level deep; a field's value is replaced whole. What the
parent has keeps its place, what is new goes last. Nodes keep their spans, so each value still knows its file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from recipe_lang.compose.problems import GivenTwice, Misplaced, NoParents, UnknownDrop
from recipe_lang.problem import Problem
from recipe_lang.suggest import suggest
from recipe_lang.syntax import nodes
from recipe_lang.syntax.nodes import references


@dataclass(frozen=True, slots=True)
class Merged:
    """The statements of a recipe and its parents, and what was wrong with them.

    `wider` holds the parents' declarations of parameters that a child narrows. `complete` is false where a parent
    could not be read: then nobody knows what is missing.
    """

    items: tuple[nodes.Item, ...]
    problems: tuple[Problem, ...]
    wider: tuple[nodes.Param, ...] = ()
    complete: bool = True


def files(recipe: nodes.Recipe) -> tuple[nodes.Recipe, ...]:
    """Return a recipe and its parents, the recipe itself first."""
    return (recipe,) if recipe.parent is None else (recipe, *files(recipe.parent))


def merge(recipe: nodes.Recipe) -> Merged:
    """Merge a recipe with its parents; one without a parent stays as it is."""
    extends = [item for item in recipe.items if isinstance(item, nodes.Extends)]
    drops = [item for item in recipe.items if isinstance(item, nodes.Drop)]
    problems = [*recipe.problems, *_misplaced(recipe, extends, drops)]
    own = tuple(item for item in recipe.items if not isinstance(item, nodes.Extends | nodes.Drop))
    if recipe.parent is None:
        failed = {problem.span for problem in recipe.problems}
        problems += [NoParents(span=each.span, what="extends") for each in extends[:1] if each.path.span not in failed]
        return Merged(own, tuple(problems), complete=not extends)
    parent = merge(recipe.parent)
    kept, unknown = _dropped(parent.items, drops, own)
    wider = [*parent.wider, *_redeclared(kept, own)]
    items = _by_need(_together(kept, own))
    return Merged(items, (*parent.problems, *problems, *unknown), tuple(wider), complete=parent.complete)


def _misplaced(
    recipe: nodes.Recipe, extends: Sequence[nodes.Extends], drops: Sequence[nodes.Drop]
) -> Iterable[Problem]:
    for again in extends[1:]:
        yield GivenTwice(span=again.span, what="`extends`", first=extends[0].span)
    before = recipe.items[: recipe.items.index(extends[0])] if extends else ()
    if not all(isinstance(item, nodes.Version) for item in before):
        hint = "write it right below the version: the parent comes first"
        yield Misplaced(span=extends[0].span, what="`extends`", where="below other statements", hint=hint)
    for drop in drops if not extends else ():
        where = "in a recipe without `extends`: there is nothing to remove"
        yield Misplaced(span=drop.span, what="`drop`", where=where)


def _dropped(
    items: tuple[nodes.Item, ...], drops: Sequence[nodes.Drop], own: tuple[nodes.Item, ...]
) -> tuple[tuple[nodes.Item, ...], list[Problem]]:
    """Return what is left of the parent's statements, and the drops that match nothing.

    Of a block that the child writes anew the place is left.
    """
    titles = {(item.kind, _title(item)) for item in items if isinstance(item, nodes.Block)}
    unknown: list[Problem] = []
    for drop in drops:
        if (drop.kind, drop.title.value) not in titles:
            options = tuple(str(title) for kind, title in sorted(titles, key=str) if kind == drop.kind)
            near = suggest(drop.title.value, options)
            what = f'{drop.kind} "{drop.title.value}"'
            unknown.append(UnknownDrop(span=drop.span, what=what, options=options, suggestion=near))
    gone = {(drop.kind, drop.title.value) for drop in drops}
    anew = {(item.kind, _title(item)) for item in own if isinstance(item, nodes.Block)}
    left: list[nodes.Item] = []
    for item in items:
        key = (item.kind, _title(item)) if isinstance(item, nodes.Block) else None
        if key not in gone:
            left.append(item)
        elif isinstance(item, nodes.Block) and key in anew:
            left.append(replace(item, items=()))
    return tuple(left), unknown


def _by_need(items: tuple[nodes.Item, ...]) -> tuple[nodes.Item, ...]:
    """Return the statements with each parameter behind those that it names: a child may write them in any order."""
    params = [item for item in items if isinstance(item, nodes.Param)]
    first: dict[str, nodes.Param] = {}
    for param in params:
        first.setdefault(param.name, param)
    entered: set[int] = set()
    ordered: list[nodes.Param] = []
    for param in params:
        stack = [] if id(param) in entered else [(param, references(param.default))]
        while stack:
            top, needs = stack[-1]
            entered.add(id(top))
            need = next((first[each.name] for each in needs if each.name in first), None)
            if need is None:
                ordered.append(stack.pop()[0])
            elif id(need) not in entered:
                stack.append((need, references(need.default)))
    following = iter(ordered)
    return tuple(next(following) if isinstance(item, nodes.Param) else item for item in items)


def _title(block: nodes.Block) -> str | tuple[float, str] | None:
    if isinstance(block.title, nodes.Number):
        return block.title.value, (block.title.unit or "").removesuffix("s")
    return None if block.title is None else block.title.value


def _redeclared(parent: tuple[nodes.Item, ...], child: tuple[nodes.Item, ...]) -> list[nodes.Param]:
    """Return the parent's parameters whose domain the child gives anew."""
    again = {item.name for item in child if isinstance(item, nodes.Param) and item.domain is not None}
    return [item for item in parent if isinstance(item, nodes.Param) and item.domain and item.name in again]


def _together(parent: tuple[nodes.Item, ...], child: tuple[nodes.Item, ...]) -> tuple[nodes.Item, ...]:
    """Return the parent's statements, those that the child has too replaced, and what only the child has."""
    merged = list(parent)
    new: list[nodes.Item] = []
    indices: dict[object, list[int]] = {}
    for index, item in enumerate(parent):
        indices.setdefault(_key(item), []).append(index)
    gone: set[int] = set()
    for item in child:
        found = indices.get(_key(item))
        if not found:
            new.append(item)
            continue
        first = found.pop(0)  # a second statement of the same name in one file stays, and is reported as such
        merged[first] = _over(parent[first], item)
        if isinstance(item, nodes.Claim):
            gone.update(found)  # claims on a metric stand for all that the parent claims of it
            found.clear()
    return _inserted([item for index, item in enumerate(merged) if index not in gone], new)


def _inserted(items: Sequence[nodes.Item], new: Sequence[nodes.Item]) -> tuple[nodes.Item, ...]:
    """Return statements with new ones behind the last of their kind, so that a stage stands among the stages."""
    last = {_kind(item): index for index, item in enumerate(items)}
    behind: dict[int, list[nodes.Item]] = {}
    for item in new:
        behind.setdefault(last.get(_kind(item), len(items)), []).append(item)
    placed: list[nodes.Item] = []
    for index, item in enumerate(items):
        placed += [item, *behind.get(index, ())]
    return (*placed, *behind.get(len(items), ()))


def _kind(item: nodes.Item) -> object:
    return item.kind if isinstance(item, nodes.Block) else type(item)


def _key(item: nodes.Item) -> object:
    """Return what makes two statements of parent and child the same one."""
    match item:
        case nodes.Block(kind):
            return (kind, _title(item))
        case nodes.Field(name) | nodes.Broken(name):
            return ("field", name)
        case nodes.Param(name):
            return ("param", name)
        case nodes.Claim(metric):
            return ("claim", metric.value)
        case nodes.Version():
            return "version"
    return item  # what stands in a wrong place, which the checker reports


def _over(parent: nodes.Item, child: nodes.Item) -> nodes.Item:
    match parent, child:
        case nodes.Block(), nodes.Block():
            return replace(child, items=_in_turn(_together(parent.items, child.items)))
        case nodes.Param(), nodes.Param():
            return replace(child, domain=child.domain or parent.domain)
    return child


def _in_turn(items: tuple[nodes.Item, ...]) -> tuple[nodes.Item, ...]:
    """Return the statements of a block, the blocks in it that begin at some time in the order in which they do."""

    def begins(item: nodes.Item) -> tuple[float, str] | None:
        found = _title(item) if isinstance(item, nodes.Block) else None
        return found if isinstance(found, tuple) else None

    timed = [(found, item) for item in items if (found := begins(item)) is not None]
    if len({unit for (_, unit), _ in timed}) != 1:  # which is first, the length of an epoch decides
        return items
    following = iter(item for _, item in sorted(timed, key=lambda pair: pair[0]))
    return tuple(item if begins(item) is None else next(following) for item in items)
