"""Names against the vocabulary: what a word, a metric or a call's name means beside the recipe's words.

What is unknown is added to the checker's problems, with what may be meant, and None comes back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from recipe_lang.check import vocabulary as v
from recipe_lang.check.checked import Metric
from recipe_lang.check.conditions import Words, narrowed
from recipe_lang.check.hints import holder_of, home
from recipe_lang.check.problems.names import UnknownArgument, UnknownEntry, UnknownMetric, UnknownString, UnknownWord
from recipe_lang.check.problems.placement import NotHere, belonging
from recipe_lang.problem import Problem
from recipe_lang.source import Span
from recipe_lang.suggest import is_certain, suggest, suggest_name
from recipe_lang.syntax import nodes

_Known = Mapping[str, tuple[str, frozenset[v.Condition]]]
"""Names, each with its noun and the conditions under which it stands."""


class Names:
    """Looks names up in the vocabulary that the recipe's words leave (`here`); one of other words is known as such."""

    def __init__(self, vocabulary: v.Vocabulary, problems: list[Problem]) -> None:
        self.here = self.whole = vocabulary
        self.problems = problems
        self._words: Words = {}

    def narrow(self, words: Words) -> None:
        """Take the recipe's words."""
        self._words, self.here = words, narrowed(self.whole, words)

    def metric(self, node: nodes.Name, sets: tuple[str, ...]) -> Metric | None:
        """Return the metric that a dotted name means."""
        metrics = tuple(self.here.metrics)
        set_, _, name = node.value.partition(".")
        if set_ in sets and name in metrics:
            return Metric(set_, name)
        every = self.whole.metrics.items()
        whole = {f"{of}.{each}": ("a metric", metric.only) for of in sets for each, metric in every}
        if node.value in whole:
            options = (f"{set_}.{each}" for each in metrics)
            self.problems.append(self._not_here(node.span, node.value, whole, options))
            return None
        suggestion = self._meant(node.value, [f"{of}.{each}" for of in sets for each in metrics], whole)
        is_of_test = set_ in self.here.sets and name in metrics
        if is_of_test:
            suggestion = f"the {set_} set does not choose between weights: write `{sets[0]}.{name}`"
        self.problems.append(
            UnknownMetric(
                span=node.span,
                name=node.value,
                sets=sets,
                metrics=metrics,
                suggestion=suggestion,
                is_plain=self.here.renames(node.value, suggestion),
                is_of_test=is_of_test,
            )
        )
        return None

    def word(self, node: nodes.Name, options: Collection[str]) -> str | None:
        """Return a word that is one of a few."""
        if node.value in options:
            return node.value
        suggestion = suggest(node.value, options, self.here.habits)
        self.problems.append(
            UnknownWord(
                span=node.span,
                name=node.value,
                options=tuple(options),
                suggestion=suggestion,
                is_plain=self.here.renames(node.value, suggestion),
            )
        )
        return None

    def string(self, node: nodes.Text, type_: v.OneOfStrings) -> str | None:
        """Return a string that is one of a long list."""
        if node.value in type_.options:
            return node.value
        near = suggest_name(node.value, type_.options, self.here.habits)
        self.problems.append(UnknownString(span=node.span, name=node.value, noun=type_.noun, suggestion=near))
        return None

    def entry(self, call: nodes.Call, type_: v.CallOf) -> tuple[v.Family, v.Entry] | None:
        """Return the entry that a call names, and its family."""
        families = [self.here.families[name] for name in type_.families]
        return next(((family, family.entries[call.name]) for family in families if call.name in family.entries), None)

    def unknown_entry(self, call: nodes.Call, type_: v.CallOf) -> v.Entry | None:
        """Report a call whose name is none here; return the entry that it means without doubt."""
        families = [self.here.families[name] for name in type_.families]
        entries = {name: entry for family in families for name, entry in family.entries.items()}
        every = [self.whole.families[name] for name in type_.families]
        whole = {name: (family.noun, entry.only) for family in every for name, entry in family.entries.items()}
        if call.name in whole:
            self.problems.append(self._not_here(call.name_span, call.name, whole, entries))
            return None
        suggestion = self._meant(call.name, entries, whole) or holder_of(call.name, type_, self.here)
        self.problems.append(
            UnknownEntry(
                span=call.name_span,
                name=call.name,
                noun=families[0].noun,
                options=tuple(entries),
                suggestion=suggestion,
                is_plain=self.here.renames(call.name, suggestion),
            )
        )
        return entries[suggestion] if suggestion in entries and self._is_certain(call.name, suggestion) else None

    def name_words(self, begin: int, words: Sequence[str]) -> None:
        """Name words beside the entries, in problems from a position on with a name that could be either."""
        for number, each in enumerate(self.problems[begin:], begin):
            if each.kind is UnknownEntry and words:
                options = (*words, *each.options)
                self.problems[number] = each.replace(
                    options=options, suggestion=each.suggestion or suggest(each.name, words)
                )

    def unknown_argument(
        self, argument: nodes.Argument, name: str, call: nodes.Call, table: Collection[str], given: Collection[str]
    ) -> tuple[str, bool]:
        """Report an argument that a call has not; return what may be meant, and whether that is certain and missing."""
        suggestion = suggest(name, table, self.here.habits) or home(name, self.here)
        taken = suggestion in given or any(other.name == suggestion for other in call.arguments)
        self.problems.append(
            UnknownArgument(
                span=argument.name_span,
                name=name,
                call=call.name,
                options=tuple(table),
                suggestion=suggestion,
                taken=taken,
                is_plain=self.here.renames(name, suggestion),
            )
        )
        return suggestion, suggestion in table and not taken and self._is_certain(name, suggestion)

    def _not_here(self, span: Span, name: str, whole: _Known, options: Iterable[str]) -> Problem:
        noun, only = whole[name]
        conditions = tuple(sorted(only))
        here = self._words[conditions[0][0]]
        return NotHere(
            span=span,
            name=name,
            noun=noun,
            conditions=conditions,
            word=here.value,
            place=here.span,
            options=tuple(options),
        )

    def _meant(self, word: str, here: Collection[str], whole: _Known) -> str:
        """Return what a word may mean here; or, where it means another name without doubt, say where that stands."""
        near = suggest(word, here, self.here.habits)
        if near in here and self._is_certain(word, near):
            return near
        other = suggest(word, [name for name in whole if name not in here], self.here.habits)
        if other in whole and self._is_certain(word, other):
            noun, only = whole[other]
            return belonging(other, noun, sorted(only))
        return near

    def _is_certain(self, word: str, name: str) -> bool:
        return is_certain(word, name, self.here.renames(word, name))
