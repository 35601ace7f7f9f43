"""A recipe that opens one block a stage moves what it says and nothing else; `bench/unfreezing.py` takes all."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.unfreezing import chosen, problems
from runtime.models.catalog import ZOOS
from runtime.models.timm.catalog import TIMM

SMALL = [("gluoncv", "cifar_resnet20_v1"), ("gluon", "mobilenet0.25")]


@pytest.mark.parametrize(("source", "name"), SMALL)
def test_blocks_open_one_by_one(source: str, name: str, tmp_path: Path) -> None:
    assert problems(source, name, tmp_path) == []


def test_the_bench_has_a_network_of_each_family() -> None:
    found = chosen("", every=False)
    expected = {(zoo, row.family) for zoo, rows in ZOOS.items() for row in rows.values()}
    expected |= {("timm", row.family) for row in TIMM.values()}
    assert len(found) == len(expected)
