"""The bound of the cache, and the command that lists and clears it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from cached import key, row
from click.testing import CliRunner

from runtime.cli import app
from runtime.system.cache import disk as feature_cache
from runtime.system.cache.disk import CachedRows, FeatureCache, cache_folder
from runtime.system.cache.rows import RECORD_BYTES


@pytest.fixture
def small(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "small", limit=1000)


def table_of(cache: FeatureCache, name: str, count: int = 3) -> CachedRows:
    found = cache.open({"name": name}, {"base": name}, 64, count)
    assert found is not None
    found.add([((key(number),), row(number)) for number in range(count)])
    return found


def age(cache: FeatureCache, name: str, seconds: float) -> None:
    entry = next(entry for entry in cache.entries() if entry.about["base"] == name)
    moment = time.time() - seconds
    os.utime(cache.folder / entry.name / "lock", (moment, moment))


def names(cache: FeatureCache) -> list[str]:
    return [entry.about["base"] for entry in cache.entries()]


# --- the bound -------------------------------------------------------------------------------


def test_the_table_unused_for_longest_goes_and_one_in_use_never(small: FeatureCache) -> None:
    for place, name in enumerate(("oldest", "old", "new")):
        table_of(small, name).close()
        age(small, name, 100 - place)
    held = small.open({"name": "oldest"}, {}, 64, 3)
    assert held is not None
    age(small, "oldest", 500)
    table_of(small, "wanted", 3).close()
    assert names(small) == ["wanted", "new", "oldest"]
    assert held.load(key(1)) == row(1)
    held.close()


def test_what_would_exceed_the_bound_is_not_written(small: FeatureCache) -> None:
    found = small.open({"name": "huge"}, {"base": "huge"}, 64, 1000)
    assert found is not None
    found.add([((key(1),), row(1))])
    assert found.load(key(1)) is None


def test_a_table_never_grows_beyond_the_bound(small: FeatureCache) -> None:
    found = table_of(small, "grows", 3)
    for number in range(100):
        found.add([((key(number),), row(number))])
    assert sum(entry.size for entry in small.entries()) <= 1000
    assert found.load(key(2)) == row(2)


def test_the_disk_is_not_filled_to_the_brim(small: FeatureCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_cache, "SPARE_BYTES", 2**62)
    assert table_of(small, "none").load(key(1)) is None


@pytest.mark.parametrize(
    ("own", "shared", "wanted"),
    [("/a", "/b", "/a"), ("", "/b", "/b/ftr"), ("", "", "/home/x/.cache/ftr"), ("", "relative", "/home/x/.cache/ftr")],
)
def test_where_it_lies(own: str, shared: str, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTR_CACHE", own)
    monkeypatch.setenv("XDG_CACHE_HOME", shared)
    monkeypatch.setenv("HOME", "/home/x")
    assert cache_folder() == Path(wanted)


def ftr(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


# --- the command -----------------------------------------------------------------------------


def test_the_command_lists_and_clears() -> None:
    cache = FeatureCache(cache_folder())
    assert "0 tables" in ftr("cache")
    table_of(cache, "resnet").close()
    held = table_of(cache, "held")
    (cache.folder / cache.entries()[0].name / "about.json").write_text("[")
    assert "resnet" in ftr("cache") or "held" in ftr("cache")
    assert "damaged" in ftr("cache")
    listed = json.loads(ftr("cache", "--json"))
    assert listed["folder"] == str(cache_folder())
    assert {table["size"] for table in listed["tables"]} == {3 * (64 + RECORD_BYTES)}
    assert "removed 1 table" in ftr("cache", "clear")
    assert len(cache.entries()) == 1
    held.close()
    assert json.loads(ftr("cache", "clear", "--json"))["tables"] == []
    assert list(cache.folder.iterdir()) == []
