"""What can be wrong with a recipe, and how it is said.

A `Kind` of problem is a row: its code, its title, the reason that `ftr explain CODE` gives, the names of its fields,
and its texts as templates over them. Called with its fields it makes a `Problem`, which is a value: problems are
collected, sorted, rendered (`recipe_lang/output/render.py`), and `RecipeError` carries them where work cannot go on.

A text is a template of `words.filled`; or several, of which the first counts whose fields all hold something, and
else the last; or a function of the problem, where no template can say it.

Families: E1 syntax, E2 names, E3 types and ranges, E4 rules across fields, E5 what the data
or the weights show, E6 run time, W7 advice. A code is never used twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recipe_lang.source import Span
from recipe_lang.words import filled


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of a text: the characters of `span` become `text`."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, at one place (None when no place in a recipe is to blame).

    The fields of its kind are attributes: `problem.path`.
    """

    kind: Kind
    span: Span | None
    values: tuple[Any, ...]  # of the kind's fields, in their order

    def __getattr__(self, name: str) -> Any:
        if name not in self.kind.names:
            raise AttributeError(f"{self.code} has no field {name!r}")
        return self.values[self.kind.names.index(name)]

    @property
    def code(self) -> str:
        """The code of its kind."""
        return self.kind.code

    @property
    def is_error(self) -> bool:
        """Whether the recipe cannot be used (advice is no error)."""
        return not self.code.startswith("W")

    def message(self) -> str:
        """Say what is wrong, in one sentence without a full stop."""
        return self._text(self.kind.message)

    def label(self) -> str:
        """Say what the carets point at; may be empty."""
        return self._text(self.kind.label)

    def help(self) -> str:
        """Say what to do about it; may be empty."""
        return self._text(self.kind.help)

    def related(self) -> tuple[tuple[Span, str], ...]:
        """Other places that take part, each with what it is."""
        places = ((getattr(self, name), label) for name, label in self.kind.related.items())
        return tuple((span, self._text(label)) for span, label in places if span is not None)

    def edits(self) -> tuple[Edit, ...]:
        """Return the changes that put it right, where there is no doubt about them."""
        return self.kind.edits(self)

    def replace(self, **changes: Any) -> Problem:
        """Return the same problem with some fields, or `span`, changed."""
        return self.kind(**{"span": self.span, **self._fields(), **changes})

    def _fields(self) -> dict[str, Any]:
        return dict(zip(self.kind.names, self.values, strict=True))

    def _text(self, text: Text) -> str:
        if callable(text):
            return text(self)
        return filled((text,) if isinstance(text, str) else text, self._fields())


Text = str | tuple[str, ...] | Callable[[Problem], str]


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """A kind of problem. `fields` names what each problem of it must say, `optional` what else, with the defaults."""

    code: str
    title: str
    reason: str  # why this is a problem
    message: Text
    fields: str = ""
    optional: Mapping[str, Any] = field(default_factory=dict)
    label: Text = ""
    help: Text = ""
    related: Mapping[str, str] = field(default_factory=dict)  # fields that are spans, with their labels
    edits: Callable[[Problem], tuple[Edit, ...]] = lambda problem: ()
    source: str = ""  # of advice: where its reason comes from
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", (*self.fields.split(), *self.optional))

    def __call__(self, *, span: Span | None = None, **fields: Any) -> Problem:
        """Return a problem of this kind.

        Raises:
            TypeError: a field is missing, or is none of this kind's.
        """
        values = {**self.optional, **fields}
        if values.keys() != set(self.names):
            raise TypeError(f"{self.code} ({self.title}) has the fields {self.names}, not {tuple(values)}")
        return Problem(self, span, tuple(values[name] for name in self.names))


class RecipeError(Exception):
    """Something that the user can put right. Never shown with a traceback. `note` is a last line below the problems."""

    note = ""

    def __init__(self, problems: Problem | Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("; ".join(problem.message() for problem in self.problems))


class InternalError(Exception):
    """A bug of ours. Shown with a traceback, and says so."""


def ordered(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems in reading order, the ones without a place first, each once."""

    def place(problem: Problem) -> tuple[str, int, str]:
        if problem.span is None:
            return ("", -1, problem.code)
        return (problem.span.source.name, problem.span.start, problem.code)

    return sorted(dict.fromkeys(problems), key=place)
