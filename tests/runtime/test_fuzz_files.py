"""Damaged files of each kind are read or refused; a small share of `bench/fuzz_files.py`, always the same."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from files_at_random import FORMATS, one

from recipe_lang.output.render import render
from recipe_lang.problem import RecipeError

COUNT = 60


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_are_read_or_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)
    kind, rng = FORMATS[name], random.Random(7)
    (tmp_path / "seeds").mkdir()
    seeds = kind.seeds(tmp_path / "seeds")
    refused = 0
    for number in range(COUNT):
        place = tmp_path / "places" / str(number)
        (place / "target").mkdir(parents=True)
        (place / "file").write_bytes(one(kind, seeds, rng))
        try:
            kind.read(place / "file", place / "target")
        except RecipeError as error:
            refused += 1
            shown = [render(problem) for problem in error.problems]
            assert all(shown)
        assert not [path for path in place.iterdir() if path.name not in ("file", "file.ftrpack", "target")]
    assert 0 < refused < COUNT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["places", "seeds"]
    assert len(list((tmp_path / "places").iterdir())) == COUNT
