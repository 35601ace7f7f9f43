"""Batches: the same for any number of workers, in the order asked for, and over when the consumer is."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recipe_lang.diagnostics import RecipeError
from runtime.loader import Batch, batches, epoch_order
from runtime.randomness import generator
from runtime.sources import Sample
from runtime.transforms import compose, flip, random_crop, resize


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(1)
    found = []
    for number in range(22):
        path = root / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(path)
        found.append(Sample(f"{number}.png", number % 3, path))
    return found


def read(samples: list[Sample], workers: int, drop_last: bool = False) -> list[Batch]:
    transform = compose([resize(20), random_crop(16), flip("horizontal")])
    order = epoch_order(samples, 3, 0, 1)
    return list(
        batches(samples, order, 8, transform, lambda s: generator(3, "augment", 0, 1, s.id), workers, drop_last)
    )


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_change_nothing(samples: list[Sample], workers: int) -> None:
    for alone, helped in zip(read(samples, 0), read(samples, workers), strict=True):
        assert alone.ids == helped.ids
        assert np.array_equal(alone.images, helped.images)
        assert np.array_equal(alone.labels, helped.labels)


def test_the_last_part_is_kept_or_dropped(samples: list[Sample]) -> None:
    assert [len(batch.ids) for batch in read(samples, 2)] == [8, 8, 6]
    assert [len(batch.ids) for batch in read(samples, 2, drop_last=True)] == [8, 8]


def test_labels_belong_to_their_images(samples: list[Sample]) -> None:
    label = {sample.id: sample.label for sample in samples}
    for batch in read(samples, 2):
        assert [label[name] for name in batch.ids] == batch.labels.tolist()
        assert batch.images.shape[1:] == (16, 16, 3)
        assert batch.images.dtype == np.uint8


def test_a_broken_image_is_named(samples: list[Sample], tmp_path: Path) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(Path(str(samples[0].image)).read_bytes()[:200])
    with pytest.raises(RecipeError, match=r"broken\.png"):
        read([*samples[:7], Sample("broken.png", 0, path)], 2)


def test_closing_ends_the_threads(samples: list[Sample]) -> None:
    before = threading.active_count()
    running = batches(samples, range(22), 4, resize(16), lambda _: np.random.default_rng(0), 3, False)
    next(running)
    running.close()
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_the_order_is_by_id_not_by_place(samples: list[Sample]) -> None:
    backwards = samples[::-1]
    forward = [samples[place].id for place in epoch_order(samples, 3, 0, 1)]
    assert forward == [backwards[place].id for place in epoch_order(backwards, 3, 0, 1)]
    without = [sample for sample in samples if sample.id != "5.png"]
    left = [without[place].id for place in epoch_order(without, 3, 0, 1)]
    assert left == [name for name in forward if name != "5.png"]


def test_each_epoch_stage_and_seed_has_its_own_order(samples: list[Sample]) -> None:
    orders = {tuple(epoch_order(samples, *key)) for key in ((3, 0, 0), (3, 0, 1), (3, 1, 0), (4, 0, 0))}
    assert len(orders) == 4


def test_an_order_of_60_000_is_quick() -> None:
    many = [Sample(f"train/{number:05}", 0, np.zeros((1, 1), np.uint8)) for number in range(60_000)]
    started = time.process_time()
    order = epoch_order(many, 1, 0, 0)
    assert time.process_time() - started < 1
    assert sorted(order.tolist()) == list(range(60_000))
