"""Colours for recipes: text to tokens for Pygments, which finds `FtrLexer` as `ftr` and by `*.ftr`.

It follows the shape of `recipe_lang/syntax/grammar.lark` and never fails: characters that no recipe has come out as
`Error`. Which names exist is the checker's business; the few words with a colour of their own are listed here, so that
a documentation tool loads no vocabulary, and tests hold the lists to the tables.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pygments.lexer import RegexLexer, bygroups, include, words
from pygments.token import Comment, Error, Keyword, Name, Number, Operator, Punctuation, String, Whitespace

DECLARATIONS = ("ftr", "extends", "param", "drop")
OPERATOR_WORDS = ("in", "except", "then", "over")
UNITS = ("epoch", "epochs", "step", "steps", "image", "images", "seed", "seeds", "px")
PARTS = ("all", "base", "head")
SETS = ("valid", "test", "old", "new")
CONSTANTS = ("true", "false", "none")

_NAME = r"[A-Za-z][A-Za-z0-9_]*(?![A-Za-z0-9_])"
_NUMBER = r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_STRING = r'"(?:\\.|[^"\\\r\n])*"'
_GAP = r"[^\S\n]*"  # a newline ends a statement, so it is no mere gap
_START = rf"^({_GAP})"


def _one_of(names: tuple[str, ...]) -> str:
    return rf"(?:{'|'.join(names)})\b"


def _words(first: Any, second: Any) -> Any:
    return bygroups(Whitespace, first, Whitespace, second)


class FtrLexer(RegexLexer):  # type: ignore[misc]  # Pygments has no types
    """Splits the text of a recipe into Pygments' tokens; joined, they are the text again."""

    name = "ftr"
    aliases: ClassVar = ["ftr"]
    filenames: ClassVar = ["*.ftr"]

    tokens: ClassVar[dict[str, list[Any]]] = {
        "root": [
            (rf"{_START}(ftr)\b({_GAP})({_NUMBER})", _words(Keyword.Declaration, Number)),
            (rf"{_START}(param)\b({_GAP})({_NAME})", _words(Keyword.Declaration, Name.Variable)),
            (rf"{_START}(drop)\b({_GAP})({_NAME})", _words(Keyword.Declaration, Name.Tag)),
            (rf'{_START}(extends)({_GAP})(?=")', bygroups(Whitespace, Keyword.Declaration, Whitespace)),
            (rf"{_NAME}(?={_GAP}(?:{_STRING}|{_NUMBER}{_GAP}(?:{_NAME}|%)?)?{_GAP}\{{)", Name.Tag),
            (rf"{_NAME}(?={_GAP}=)", Name.Attribute),
            (rf"(=)({_GAP})(\{{)", bygroups(Operator, Whitespace, Punctuation), "brackets"),
            (r"[{}]", Punctuation),
            include("value"),
        ],
        "brackets": [
            (r"[)\]}]", Punctuation, "#pop"),
            (r"\{", Punctuation, "#push"),
            (rf"(?!{_one_of(PARTS)}){_NAME}(?={_GAP}=)", Name.Attribute),  # parts are keys of maps
            include("value"),
        ],
        "value": [
            (
                rf'(?<=[\w%)\]}}"])({_GAP})({_one_of(OPERATOR_WORDS)})',  # behind a value; elsewhere they are names
                bygroups(Whitespace, Operator.Word),
            ),
            (r"\s+", Whitespace),
            (r"#.*", Comment.Single),
            (rf'"(?={_STRING[1:]})', String.Double, "string"),
            (r'".*', Error),
            (rf"({_NUMBER})({_GAP})({_one_of(UNITS)}|%)", bygroups(Number, Whitespace, Keyword.Type)),
            (_NUMBER, Number),
            (rf"\${_GAP}{_NAME}", Name.Variable),
            (rf"{_one_of(SETS)}\.{_NAME}", Name.Builtin.Pseudo),
            (rf"{_NAME}(?={_GAP}\()", Name.Function),
            (rf"base(?:\.{_NAME})+|{_one_of(PARTS)}(?!\.)", Name.Builtin),
            (words(CONSTANTS, suffix=r"\b"), Keyword.Constant),
            (rf"{_NAME}(?:\.{_NAME})*", Name),
            (r"[(\[]", Punctuation, "brackets"),
            (r",", Punctuation),
            (r"\.\.|>=|<=|[-+*/=<>]", Operator),
        ],
        "string": [
            (r'"', String.Double, "#pop"),
            (r'\\(?:["\\nt]|u[0-9A-Fa-f]{4})', String.Escape),
            (r"\\.", Error),
            (r'[^"\\]+', String.Double),
        ],
    }
