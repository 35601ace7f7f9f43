"""Texts generated from the grammar itself, as a strategy of hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.extra.lark import from_lark
from lark import Lark
from paths import ROOT
from recipes_at_random import STRINGS

GRAMMAR = Lark((ROOT / "recipe_lang" / "syntax" / "grammar.lark").read_text(), parser="lalr", maybe_placeholders=True)
FROM_GRAMMAR = from_lark(
    GRAMMAR,
    explicit={
        "_NL": st.sampled_from(["\n", " # a comment\n", "\r\n\n  "]),
        "NAME": st.sampled_from([" train ", " head ", " in ", " then ", " x1 "]),
        "DOTTED": st.just(" base.block3 "),
        "NUMBER": st.sampled_from([" 1", " 0.5", " 1e-4", " 1e999"]),
        "STRING": st.sampled_from(STRINGS),
    },
)
