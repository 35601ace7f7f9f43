"""The rows of `bench/words.py` are recipes, no word is forgotten, and the page says what was measured."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from paths import ROOT

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.source import Source
from runtime.vocabulary import VOCABULARY

sys.path.insert(0, str(ROOT / "bench"))

import words
import words_page
import words_rows
from words_rows import PLAIN, SEEDS, SETS, Records, Run

FAMILIES = ("augment", "optimizer", "schedule", "average", "clip", "loss", "layer", "sampling", "calibration", "stop")
OTHERS = {
    **dict.fromkeys(("iou_crop", "zoom_out"), "of boxes"),
    **dict.fromkeys(("flatten", "global_avg_pool"), "what the base's pooling gives anyway"),
    "distillation": "of a teacher, in bench/distillation.py",
    "own": "of GluonCV's detectors and segmenters",
}


def test_every_row_is_a_recipe() -> None:
    for word in words_rows.rows():
        for lines in word.choices:
            check(parse(Source(word.word, words_rows.text(SETS["solar"], lines, 1))), VOCABULARY)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_word_of_classes_has_a_row(family: str) -> None:
    said = {name for word in words_rows.rows() for lines in word.choices for name in re.findall(r"\w+", lines)}
    entries = VOCABULARY.families[family].entries.values()
    of_classes = {each.name for each in entries if not each.only or ("task", "classification") in each.only}
    assert of_classes - said - OTHERS.keys() == set(), "a row in bench/words_rows.py"


def records(*seeds: int, gain: float = 0.01) -> Records:
    """Return runs in which one word gains on the solar cells, and loses on the other set."""
    found = {}
    for seed in seeds:
        for data, sign in (("solar", 1), ("fashion", -1)):
            plain = 0.8 + seed / 1000
            found[Run(data, PLAIN, seed)] = {"valid": plain, "test": plain, "ece": 0.05, "seconds": 1}
            better = plain + sign * (gain + seed / 10000)
            found[Run(data, "sam = 0.05", seed)] = {"valid": better, "test": better, "ece": 0.04, "seconds": 1}
    return found


def test_the_page_has_differences_and_says_what_was_not_measured() -> None:
    shown = words_page.page(records(1, 2, 3, 4, 5))
    better, worse = "+1.0 ± 0.0", "-1.0 ± 0.0"
    assert f"| `sam = 0.05` | **{better}** (5) | {better} | {worse} | {worse} (5) | {worse} | {worse} |" in shown
    assert "| `norm = frozen` | not measured |" in shown
    lost = {Run("solar", "l1 = 1e-5", 1): {"valid": 0.0, "test": 0.0, "ece": 1.0, "seconds": 1, "diverged": 1}}
    assert "| `l1 = 1e-5` | diverged |" in words_page.page({**records(1), **lost})
    assert "Solar cells gain with: `sam = 0.05` (+1.0 on the test set)." in shown
    assert "Fashion-MNIST gain with: none" in shown
    assert "**" not in words_page.page(records(1, 2, 3)).partition("\n## ")[2]  # three seeds decide nothing


def test_all_rows_have_one_seed_before_the_next_and_gains_have_more() -> None:
    for data, gaining in (("solar", {"sam = 0.05"}), ("fashion", set())):
        found, order = dict(records()), []
        while (run := words.due(data, found)) is not None:
            order.append(run)
            gain = 0.01 if run.lines in gaining else -0.01 if run.lines else 0
            found[run] = {"valid": 0.8 + gain, "test": 0.8, "ece": 0.1, "seconds": 1}
        seeds = [run.seed for run in order]
        assert {run.data for run in order} == {data}
        assert seeds == sorted(seeds)
        assert {run.lines for run in order if run.seed not in SEEDS} == {PLAIN, *gaining}


def test_a_record_that_was_cut_off_is_read_up_to_there(tmp_path: Path) -> None:
    record = tmp_path / "words.jsonl"
    record.write_text('{"run": {"data": "solar", "lines": "", "seed": 1}, "found": {"valid": 0.5}}\n{"run": {"da')
    assert words.read(record) == {Run("solar", "", 1): {"valid": 0.5}}
