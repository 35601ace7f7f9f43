"""What people type where the grammar stops, and the right form: `habit(before, after)`.

In go the two halves of a statement, out come a sentence of advice and, where there is no doubt about what was meant,
the repair of the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Repair:
    """Characters `start` up to `end` of a statement become `text`."""

    start: int
    end: int
    text: str


Fix = str | Callable[[str], str] | None
_DEEP, _FLAT = "\0", "\1"  # stand where the grammar stops, inside brackets and outside; no recipe contains them
_MARKS = str.maketrans("", "", _DEEP + _FLAT)


def habit(before: str, after: str) -> tuple[str, Repair | None]:
    """Return the advice on a statement that the grammar refuses between `before` and `after`, and the repair."""
    mark = _FLAT if _is_flat(before) else _DEEP
    subject = f"{before}{mark}{after}"
    for pattern, advice, fix in _patterns():
        match = pattern.search(subject)
        if match is not None:
            said = match.expand(advice).translate(_MARKS)
            return said, None if fix is None else _repair(match, fix, len(before))
    if subject.count('"') % 2:
        return 'a string begins and ends with `"` on one line', None
    return "", None


def _repair(match: re.Match[str], fix: str | Callable[[str], str], mark: int) -> Repair:
    bad = match["bad"].translate(_MARKS)
    start, end = (place - (place > mark) for place in match.span("bad"))
    text = match.expand(fix).translate(_MARKS) if isinstance(fix, str) else fix(bad)
    return Repair(start, end, text)


def _is_flat(before: str) -> bool:
    """Whether no bracket is open where a text ends; that of a block's header does not count."""
    plain = re.sub(r'"(?:\\.|[^"\\\n])*"|#[^\n]*', "", before)
    return sum(plain.count(each) for each in "([{") <= sum(plain.count(each) for each in ")]}")


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str, Fix], ...]:
    marks = {"@": f"[{_DEEP}{_FLAT}]", "§": _FLAT, "¶": _DEEP}
    return tuple(
        (re.compile(re.sub("[@§¶]", lambda mark: marks[mark[0]], pattern), re.DOTALL), advice, fix)
        for pattern, advice, fix in _HABITS
    )


def _plain_letter(wide: str) -> str:
    return unicodedata.normalize("NFKC", wide)


_VERSION = "the first line is the version of the language: `ftr 1`"
_BRACES = r"a block is written with braces: `\1\2 {` … `}`"
_CLAIM = "a claim compares with `>=`, `<=`, `>` or `<`, such as `test.accuracy >= 90%`"
_TITLE = 'a title goes in double quotes: `{} "{}" {{`'
_PATH = 'a path goes in double quotes: `"data/train"`'
_QUOTES = 'strings go in straight double quotes: `"text"`'
_LIST = "a list goes in square brackets: `[a, b]`"
_COMMA = "a comma goes between two values"
_LINE = "one line holds one statement"
_NO_CODE = "a recipe holds no code: write `name = value` or a block"
_COMMENT = "a comment begins with `#`"
_DOT = "a number has digits on both sides of the dot: `0.5`, `1.0`"
_INSIDE = r"(?:[^()]|\([^()]*\))"
_UNITS = r"(?:epochs?|steps?|px|images?|seeds?)\b"
_MODULES = r"(?:(?:torch|torchvision|optim|nn|transforms|T|F|tf|keras|gluon|mx|mxnet|models|lr_scheduler|callbacks)\.)+"

# A pattern (`@` is where the grammar stops, `§` where it stops outside of brackets, `¶` inside; the first that fits
# counts), the advice, and where it is beyond doubt what was meant, the text in place of the group `bad`.
_HABITS: tuple[tuple[str, str, Fix], ...] = (
    (r"""^(?P<bad>(?i:ftr|version)(?:[\s:="'v]|@)*1(?:\.0|@|["';])*)$""", _VERSION, "ftr 1"),
    (r"^ftr\s+[0-9]+(?P<bad>[ \t]*)@[A-Za-z]", f"{_LINE}; {_VERSION}", "\n"),
    (r"(?i)^(ftr|version)[0-9]*\s*[0-9.]*@", _VERSION, None),
    # another recipe, code, declarations
    (
        r"^(?:import|include|inherits?|parent|from|use)\s+(\"[^\"\n]*\")\s*@",
        r"a recipe builds on another with `extends \1`",
        None,
    ),
    (r"^(?P<bad>extends\s*@[=:]\s*)(?=\")", 'a parent is named without `=`: `extends "base.ftr"`', "extends "),
    (
        r"^extends\s+(?P<bad>@['‘“]?(?P<path>[^\s'\"‘’“”#]+)['’”]?)$",
        r'a path goes in double quotes: `extends "\g<path>"`',
        r'"\g<path>"',
    ),
    (r"^extends\s+@\[", 'a recipe builds on one parent only: `extends "base.ftr"`', None),
    (
        r"^drop\s+(\w+)\s+(?P<bad>@['‘“]?(?P<title>[^\s'\"‘’“”#]+)['’”]?)$",
        r'a title goes in double quotes: `drop \1 "\g<title>"`',
        r'"\g<title>"',
    ),
    (r"^drop\s+@(\"[^\"]*\")", r"a block of the parent is taken away by kind and title: `drop stage \1`", None),
    (r"^drop\b.*@", 'a block of the parent is taken away by kind and title: `drop stage "…"`', None),
    (r"^assert\s*@|^expect\s*@[^\s=({:]", "claims go in a block: `expect {` … `}`, each on a line of its own", None),
    (r"^(import|def|class|if|print|while|return|with|async|lambda)\b.*@|^from\s@\w+\simport", _NO_CODE, None),
    (r"^for\s+@\w+\s+in\b|\blambda\b.*@|=.*\bif\s+@", _NO_CODE, None),
    (r"^(?:let|var|const|set|local|def)\s+@(\w+)\s*=", r"a parameter is declared with `param \1 = …`", None),
    # blocks and their titles
    (r"^@\[+\s*([A-Za-z]\w*)[^\]]*\]+$", r"a block is written with braces: `\1 {` … `}`", None),
    (
        r"^(\w+)(\s+\"[^\"]*\")?(?P<bad>\s*@\s*)\{$",
        r"the `{` goes on the same line: `\1\2 {`",
        " ",
    ),
    (r"^(\w+)(\s+\"[^\"]*\")?\s*@\s*#[^\n]*\s*\{$", r"the `{` goes on the same line: `\1\2 {`", None),
    (
        r"^(\w+)\s*(?P<bad>@\(\s*['\"‘“]?(?P<title>[^'\"‘’“”()]*)['\"’”]?\s*\))\s*\{$",
        r'a title goes after the name: `\1 "\g<title>" {`',
        r' "\g<title>"',
    ),
    (
        r"^(?!ftr\b|param\b|extends\b|drop\b)(\w+)\s+(?P<bad>@['\"‘’“”]?(?P<title>[^{}='\"‘’“”:]+?)['\"‘’“”]?)(?=\s*\{$)",
        r'a title goes in double quotes: `\1 "\g<title>" {`',
        r'"\g<title>"',
    ),
    (r"^\w+\s+\"[^\"]*\"\s*@\"", "a block has one title", None),
    (r"^(\w+)(\s+\"[^\"]*\")\s*@\(", _BRACES, None),
    (r"^(\w+)(\s+\"[^\"]*\")(?P<bad>\s*@[:=]\s*)\{$", _BRACES, " "),
    (r"^(\w+)()\s*@[:=]\s*\{$", _BRACES, None),
    (r"^@\"(\w+)\"\s*:\s*\{$", r"a block is written with braces, its name without quotes: `\1 {` … `}`", None),
    (r"^@-\s+[\"']?(\w+)[\"']?()\s*:", _BRACES, None),
    (r"^[\"']?(\w+)[\"']?(\s+\"[^\"]*\")?\s*@:\s*$", _BRACES, None),
    (
        r"^(?!ftr\b|param\b|extends\b|drop\b)(\w+)\s+@['‘“]?([\w -]+?)['’”]?\s*:\s*$",
        r'a block is written with braces: `\1 "\2" {` … `}`',
        None,
    ),
    (r"^[\"']?(\w+)[\"']?()\s*@:\s[^\n{]*\n$", _BRACES, None),
    (r"^@-\s", _LIST, None),
    # parameters
    (r"^param\s+(?P<bad>@\$)", "a parameter is declared without the `$`", ""),
    (r"^param\s+(\w+)\s*@(in\b.*)?$", r"a parameter has a default: `param \1 = …`", None),
    (r"^param\b.*\bin\b.*@,", "a domain is `low .. high`, `log(low .. high)` or a list `[a, b]`", None),
    (r"\$@\{", "`$name` is a parameter of the recipe; its environment is not read", None),
    (r"\$\w+\s*@(epoch|step|px|image|%)", "a parameter carries its unit: `param n = 3 epochs`", None),
    # claims
    (r"^expect(?P<bad>\s*=\s*)\{.*@[<>]", "a block has no `=`: `expect {`", " "),
    (r"^\w+\.[\w.]+\s*(?P<bad>@(?:≥|=>|>\s+=))", _CLAIM, ">="),
    (r"^\w+\.[\w.]+\s*(?P<bad>@(?:≤|=<|<\s+=))", _CLAIM, "<="),
    (r"^\w+\.\w+\s*[<>].*\b(and|or)\s+@|^\w+\.\w+\s*[<>].*@(and|or|&&|&)", "each claim has a line of its own", None),
    (
        r"^\w+\.\w+\s*[<>].*(?P<bad>@?(?:for|in|across|with|on))(?=\s+@?[0-9]+\s+seeds?\b)",
        "a claim on several runs: `test.accuracy >= 90% over 5 seeds`",
        "over",
    ),
    (r"^@[0-9].*[<>]", "a claim begins with its metric: `test.accuracy >= 90%`", None),
    (r"^(\w+)\s*@[<>]=?\s*\S", r"a metric names its set: `valid.\1` or `test.\1`", None),
    (r"^(valid|test)\s+@(\w+)\s*[<>=]", r"a metric has a dot after its set: `\1.\2`", None),
    (r"^(valid|test|train|val)\.\w+\s*@", _CLAIM, None),
    (r"@!=|^\w+\.[\w.]+\s*@==", _CLAIM, None),
    (
        r"^(\w+)\.\w+\s*@[=:]",
        r"the name of a field has no dot: it goes in the block or the brackets of `\1`",
        None,
    ),
    # paths and text
    (r"\((?P<bad>(?P<one>[\w.~-]*)@(?P<two>\.{0,2}/[\w./~-]+|~/[\w./~-]*))(?=[,)])", _PATH, r'"\g<one>\g<two>"'),
    (r"@:\\|@\.{0,2}/\w|@~|@\\\w|@://", _PATH, None),
    (
        r"^(?:name|about)\s*=\s*(?P<bad>(?P<text>[^\s\"'#=]+\s+@[^\"#=]*))$",
        r'a string goes in double quotes: `"\g<text>"`',
        r'"\g<text>"',
    ),
    (r"\"\"\s*@\"|^@\"\"|^@'''", "a string has one quote at each end, on one line; " + _COMMENT, None),
    (r"\bf@\"", "a string holds plain text: a parameter is `$name`, outside of strings", None),
    (r"(?P<bad>\b[rRbBuU]@)(?=\")", 'a string has nothing before its quote: `"text"`', ""),
    (r"(?P<bad>@(?P<open>['‘’“”`])(?P<text>[^'‘’“”`\"\\\n]*)['‘’“”`])", _QUOTES, r'"\g<text>"'),
    (r"@['‘’“”`]", _QUOTES, None),
    # signs
    (r"^(?P<bad>@\"(\w+)\"\s*[:=]\s*)", r"a name is written without quotes: `\2 = …`", r"\2 = "),
    (r"(?P<bad>\s*@(?::=|->|\+=|=>))\s*\S", "a value is given with `=`", " ="),
    (r"(?P<bad>=\s*@(?:=+>?|>))", "a value is given with one `=`", "="),
    (r"(?P<bad>[^\S\n]*@:[^\S\n]*)(?=[^\s:])", "write `=` instead of `:`", " = "),
    (r"@:", "write `=` instead of `:`", None),
    (r"(?P<bad>[^\S\n]*§;+[^\S\n]*)(?=$|#|\n)", "a new line ends a statement; remove the `;`", ""),
    (r"(?P<bad>[^\S\n]*§;\s*)(?=[A-Za-z])", "a new line ends a statement; remove the `;`", "\n"),
    (r"(?P<bad>@;)", "a comma goes between two values; a new line ends a statement", None),
    (r"[=(,\[{]\s*@(?:…|\.\.\.)\s*(?:$|[),\]}\n])", "write a value in place of the dots", None),
    (r"(?P<bad>\.\.\s*@\.)(?![.0-9])", "a range has two dots: `base.block3 .. head`", ".."),
    (r"(?P<bad>@…)", "a range has two dots: `base.block3 .. head`", ".."),
    (r"\.\..*@\.\.", "a range has two ends: `0.1 .. 0.5`", None),
    (r"(?<![\w.])(?P<bad>@\.)(?=[0-9])", _DOT, "0."),
    (r"[0-9](?P<bad>@\.)(?![0-9.])", _DOT, ".0"),
    (r"@\.[0-9]|[0-9]@\.", _DOT, None),
    (r"\bexcept\b.*@except\b", "write a list after one `except`: `all except [base.stem, base.block1]`", None),
    (r"^(?P<bad>@//)", _COMMENT, "#"),
    (r"@/[/*]|/@/|@<!--|^@--", _COMMENT, None),
    (r"[0-9](?P<bad>@_)(?=[0-9]{3}(?![0-9]))", "digits are written without separators: `12000`", ""),
    (r"^\w+\s*=\s*[0-9]{1,3}(?P<bad>@,)(?=[0-9]{3}(?![0-9]))", "digits are written without separators: `12000`", ""),
    (r"[0-9]@_", "digits are written without separators: `12000`", None),
    (r"[0-9][kKM]\s*@\w", "digits are written out: `12000`", None),
    (r"(?P<bad>@[‐-―−])", "a minus is the plain `-` of the keyboard", "-"),
    (r"(?P<bad>@[\u00ad\u200b-\u200f\u2060\ufeff])", "this character is invisible: remove it", ""),
    (r"(?P<bad>@[！-～])", "this is a wide letter: write the plain one", _plain_letter),
    (r"\*@\*|@\^", "there are `+`, `-`, `*` and `/`; a power is written out: `1e-4`", None),
    (r"(?P<bad>@\+)(?=[0-9])", "a number has no sign `+`", ""),
    (r"@\+\+?", "a number has no sign `+`", None),
    (r"\w\s*@[&|]", "several parts are a list: `[base.stem, head]`", None),
    (r"=\s*@[!~]\s*\w", "what is left out goes after `except`: `all except head`", None),
    (r"=\s*@\*", "all parts are `all`", None),
    (r"\bbase(?P<bad>@\.\*)", "all parts of the base are `base`", ""),
    # brackets, calls and lists
    (r"\bbase\s*@\[\s*([0-9]+)", r"a part of the base is `base.block\1`", None),
    (
        r"=\s*(?P<name>\w+)(?P<bad>\s*@[\[{]\s*(?P<in>[^\[\]{}]*?)\s*[\]}])$",
        r"arguments go in round brackets: `\g<name>(…)`",
        r"(\g<in>)",
    ),
    (r"=\s*(\w+)\s*@[\[{]", r"arguments go in round brackets: `\1(…)`", None),
    (
        r"=\s*(?P<bad>(?P<unit>epoch|step)s?\s*@(?P<n>[0-9]+))$",
        r"a unit goes after its number: `\g<n> \g<unit>s`",
        r"\g<n> \g<unit>s",
    ),
    (
        r"\b(?P<bad>(?P<zoo>gluoncv|gluon)\.(?P<net>\w+)@\(\s*\))",
        r'the name of a network goes in quotes: `\g<zoo>("\g<net>")`',
        r'\g<zoo>("\g<net>")',
    ),
    (rf"\b(?P<bad>{_MODULES}(?P<name>\w+)@)(?=\()", "the name of a call has no dot", r"\g<name>"),
    (r"\w\.\w+@\(", "the name of a call has no dot", None),
    (r"^\w+\s*=\s*\{[^}]*\n[^}]*@", f"{_COMMA}; a block has no `=`: `data {{`", None),
    (
        r"^(\w*size)\s*=\s*\(\s*([0-9]+)(?:px)?@,",
        r"images are square: one number, `\1 = \2px`",
        None,
    ),
    (rf"[=,(\[{{]\s*(?P<bad>\((?P<in>{_INSIDE}*@,{_INSIDE}*?),?\s*\))", _LIST, r"[\g<in>]"),
    (r"=\s*\([^()]*@,", _LIST, None),
    (r"\n\s*@,", "a comma goes at the end of the line above", None),
    (r"[^\s,(\[{=](?P<bad>\s*)¶(?=[\w\"$\[][^:]*$)(?!\w+\s*=\s*\w+\s*=|\w+[^\S\n]+\[)", _COMMA, r",\g<bad>"),
    (r"[^\s,(\[{]\s*¶([\w.]+|=)", _COMMA, None),
    (r"(?P<bad>[^\S\n]*§,+[^\S\n]*)(?=$|#|\n)", "a new line ends a statement; remove the `,`", ""),
    (
        r"(?P<bad>[^\S\n]*§,\s*)(?=[A-Za-z]\w*\s*[=:]|[A-Za-z]\w*\.\w+\s*[<>])",
        f"{_LINE}; no `,` goes between two statements",
        "\n",
    ),
    (
        r"^(?!param\b)\w+\s*=\s*(?P<bad>(?P<in>[^=\n]*§,[^=\n]*?),?\s*)$",
        "a list goes in brackets: `[a, b]`; a statement has a line of its own",
        r"[\g<in>]",
    ),
    (r"^\w+\s*=.*§,", "a list goes in brackets: `[a, b]`; a statement has a line of its own", None),
    (r"(?P<bad>§[)\]]+)$", "this bracket closes nothing", ""),
    (r"@[)\]]$", "this bracket closes nothing", None),
    (r"@in\b", "a domain is for parameters: `param n = 3 epochs in 1 epoch .. 8 epochs`", None),
    (r"(?:\.\w+|head)\s*(?P<bad>@to)\b", "a range is `base.block3 .. head`, a list `[base.stem, head]`", ".."),
    (r"(?:\.\w+|head)\s*@(?:and|or|plus)\b", "a range is `base.block3 .. head`, a list `[base.stem, head]`", None),
    # where a statement ends
    (r"[^\s=*/+\-,(\[{](?P<bad>[^\S\n]*)§(?=[A-Za-z]\w*\s*=)", _LINE, "\n"),
    (rf"[0-9](?P<bad>[^\S\n]+)(?!{_UNITS})(?=[A-Za-z]\w*\s*§=)", _LINE, "\n"),
    (r"=.*\S\s*\w\s*@=|=.+@\w+\s*=", _LINE, None),
    (r"\}(?P<bad>\s*)@(?=[A-Za-z])", _LINE, "\n"),
    (r"=\s*(\w+)\s+@(?:\w+\s*[=:]|\w+\s+[0-9])", r"arguments go in brackets: `\1(name = …)`", None),
    (r"([-+*/]|\.\.)@$", "a line does not break at an operator", None),
    (r"@\\$", "a line breaks inside brackets only, after a comma", None),
    (r"=@$", "write a value after the `=`", None),
    (r"^(?!param\b|extends\b|drop\b)(\w+)\s+@[\w\"$\[(-]", r"a field has an `=`: `\1 = …`", None),
    (r"^(\w+)@$", r"a field is `\1 = …`, a block `\1 { … }`", None),
    (r"^@=", "a name goes before the `=`", None),
)
