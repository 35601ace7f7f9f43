"""The problems that the text of a recipe alone shows, by name: `errors.UnknownField`.

Making a class takes long, half a millisecond, and a recipe without mistakes needs none of these: a family is imported
when one of it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from recipe_lang.phrases import listed as listed
from recipe_lang.phrases import quoted as quoted
from recipe_lang.phrases import suggested as suggested

if TYPE_CHECKING:
    from recipe_lang.name_problems import UnknownArgument as UnknownArgument
    from recipe_lang.name_problems import UnknownBlock as UnknownBlock
    from recipe_lang.name_problems import UnknownEntry as UnknownEntry
    from recipe_lang.name_problems import UnknownField as UnknownField
    from recipe_lang.name_problems import UnknownMetric as UnknownMetric
    from recipe_lang.name_problems import UnknownParam as UnknownParam
    from recipe_lang.name_problems import UnknownPart as UnknownPart
    from recipe_lang.name_problems import UnknownSetting as UnknownSetting
    from recipe_lang.name_problems import UnknownString as UnknownString
    from recipe_lang.name_problems import UnknownWord as UnknownWord
    from recipe_lang.parent_problems import NoParents as NoParents
    from recipe_lang.parent_problems import ParentCycle as ParentCycle
    from recipe_lang.parent_problems import ParentOutside as ParentOutside
    from recipe_lang.parent_problems import TooManyParents as TooManyParents
    from recipe_lang.parent_problems import UnknownDrop as UnknownDrop
    from recipe_lang.parent_problems import WiderDomain as WiderDomain
    from recipe_lang.place_problems import BadTitle as BadTitle
    from recipe_lang.place_problems import ExcusesNothing as ExcusesNothing
    from recipe_lang.place_problems import GivenTwice as GivenTwice
    from recipe_lang.place_problems import Misplaced as Misplaced
    from recipe_lang.place_problems import MissingArgument as MissingArgument
    from recipe_lang.place_problems import MissingBlock as MissingBlock
    from recipe_lang.place_problems import MissingField as MissingField
    from recipe_lang.place_problems import UnusedParam as UnusedParam
    from recipe_lang.syntax_problems import BadEscape as BadEscape
    from recipe_lang.syntax_problems import NotText as NotText
    from recipe_lang.syntax_problems import NoVersion as NoVersion
    from recipe_lang.syntax_problems import OtherVersion as OtherVersion
    from recipe_lang.syntax_problems import StrayBrace as StrayBrace
    from recipe_lang.syntax_problems import TooDeep as TooDeep
    from recipe_lang.syntax_problems import TooLong as TooLong
    from recipe_lang.syntax_problems import UnclosedBlock as UnclosedBlock
    from recipe_lang.syntax_problems import UnclosedBracket as UnclosedBracket
    from recipe_lang.syntax_problems import UnclosedString as UnclosedString
    from recipe_lang.syntax_problems import Unexpected as Unexpected
    from recipe_lang.syntax_problems import Unreadable as Unreadable
    from recipe_lang.type_problems import BackwardRange as BackwardRange
    from recipe_lang.type_problems import BadArithmetic as BadArithmetic
    from recipe_lang.type_problems import BadHash as BadHash
    from recipe_lang.type_problems import EmptySelection as EmptySelection
    from recipe_lang.type_problems import NotWhole as NotWhole
    from recipe_lang.type_problems import OutOfRange as OutOfRange
    from recipe_lang.type_problems import OutsideDomain as OutsideDomain
    from recipe_lang.type_problems import PositionalAfterNamed as PositionalAfterNamed
    from recipe_lang.type_problems import TooFew as TooFew
    from recipe_lang.type_problems import TooManyArguments as TooManyArguments
    from recipe_lang.type_problems import WrongType as WrongType
    from recipe_lang.type_problems import WrongUnit as WrongUnit

FAMILIES = ("syntax_problems", "name_problems", "type_problems", "place_problems", "parent_problems")

if not TYPE_CHECKING:  # a name that does not exist is found by the type checker

    def __getattr__(name: str) -> Any:
        for family in FAMILIES if name[0].isupper() else ():  # Python asks for `__path__` and the like
            found = getattr(import_module(f"recipe_lang.{family}"), name, None)
            if found is not None:
                globals()[name] = found
                return found
        raise AttributeError(f"there is no problem called {name}")
