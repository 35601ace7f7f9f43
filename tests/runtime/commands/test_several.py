"""Commands that take several paths: a wrong one keeps none of the others from being done, and is named."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from command import Ftr


def test_predict_does_what_is_there(ftr: Ftr, trained: Path, photos: Path, tmp_path: Path) -> None:
    image, missing, empty = photos / "test/red/0.jpg", tmp_path / "missing.jpg", tmp_path / "empty"
    empty.mkdir()
    paths = (missing, image, empty)
    said = [f"no image at {missing}", None, f"no image at {empty}"]
    asked = {form: ftr("predict", trained, *paths, *form) for form in ((), ("--json",), ("--csv",))}
    for told in asked.values():
        assert told.code == 1
        assert told.err == f"{missing}: {said[0]}\n{empty}: {said[2]}\n"
    rows = json.loads(asked["--json",].out)
    assert [(row["image"], row["error"]) for row in rows] == list(zip(map(str, paths), said, strict=True))
    assert rows[1]["classes"]
    table = list(csv.DictReader(io.StringIO(asked["--csv",].out)))
    assert {row["image"]: row["error"] for row in table} == dict(
        zip(map(str, paths), [said[0], "", said[2]], strict=True)
    )
    assert "missing.jpg" in asked[()].out.replace("\n", "")


def test_predict_draws_what_is_there(ftr: Ftr, trained: Path, photos: Path, tmp_path: Path) -> None:
    told = ftr("predict", trained, tmp_path / "missing.jpg", photos / "test/red/0.jpg", "--draw", tmp_path / "drawn")
    assert told.code == 1
    assert len(list((tmp_path / "drawn").glob("[!.]*"))) == 1


def test_predict_refuses_where_nothing_is_there(ftr: Ftr, trained: Path, tmp_path: Path) -> None:
    code, out, err = ftr("predict", trained, tmp_path / "a.jpg", tmp_path / "b.jpg", "--json")
    assert (code, out) == (2, "")
    assert "a.jpg" in err
    assert "b.jpg" in err
    assert "2 errors" in err


def test_check_and_fetch_do_what_is_there(ftr: Ftr, tmp_path: Path) -> None:
    good = tmp_path / "good.ftr"
    good.write_text('ftr 1\ndata { train = digits }\nstage "a" {\n  train = head\n  for = 1 epoch\n}\n')
    for words in (("check",), ("weights", "fetch")):
        code, out, err = ftr(*words, tmp_path / "none.ftr", good, tmp_path / "neither.ftr")
        assert code == 2
        assert "none.ftr" in err
        assert "neither.ftr" in err
        assert out
