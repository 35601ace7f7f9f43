"""Batches: the same for any number of workers, in the order asked for, and over when the consumer is."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recipe_lang.problem import InternalError, RecipeError
from runtime.data.listing import Sample
from runtime.data.loader import Batch, batches, epoch_order
from runtime.data.transforms.catalog import Pipeline
from runtime.plan.types import Component
from runtime.system.prefetch import in_order
from runtime.system.random import generator


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


RESIZE = Pipeline((Component("resize", {"size": 16}),))


def read(samples: list[Sample], workers: int, drop_last: bool = False) -> list[Batch]:
    steps = Pipeline(
        (
            Component("resize", {"size": 20}),
            Component("random_crop", {"size": 16, "padding": 0}),
            Component("flip", {"direction": "horizontal"}),
        )
    )
    order = epoch_order(samples, 3, 0, 1)
    return list(
        batches(samples, order, 8, steps, lambda s: generator(3, "augment", 0, 1, s.id), workers, drop_last, np.array)
    )


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_change_nothing(samples: list[Sample], workers: int) -> None:
    for alone, helped in zip(read(samples, 0), read(samples, workers), strict=True):
        assert alone.ids == helped.ids
        assert np.array_equal(alone.images, helped.images)
        assert np.array_equal(alone.targets, helped.targets)


def test_the_last_part_is_kept_or_dropped(samples: list[Sample]) -> None:
    assert [len(batch.ids) for batch in read(samples, 2)] == [8, 8, 6]
    assert [len(batch.ids) for batch in read(samples, 2, drop_last=True)] == [8, 8]


def test_labels_belong_to_their_images(samples: list[Sample]) -> None:
    label = {sample.id: sample.target for sample in samples}
    for batch in read(samples, 2):
        assert [label[name] for name in batch.ids] == batch.targets.tolist()
        assert batch.images.shape[1:] == (16, 16, 3)
        assert batch.images.dtype == np.uint8


def no_randomness(sample: Sample) -> np.random.Generator:
    return np.random.default_rng(0)


def image_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("images")]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_image_is_named_at_its_turn(samples: list[Sample], tmp_path: Path, workers: int) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(Path(str(samples[0].image)).read_bytes()[:200])
    some = [*samples[:5], Sample("a/broken.png", 0, path), *samples[5:]]
    running = batches(some, range(len(some)), 4, RESIZE, no_randomness, workers, False, np.array)
    assert len(next(running).ids) == 4
    with pytest.raises(RecipeError, match=r"image `a/broken\.png` cannot be read: image file is truncated") as caught:
        next(running)
    assert [problem.code for problem in caught.value.problems] == ["E512"]
    assert not image_threads()


def test_images_of_two_sizes_are_refused(samples: list[Sample]) -> None:
    some = [*samples[:3], Sample("tall.png", 0, np.zeros((40, 16, 3), np.uint8))]
    with pytest.raises(RecipeError, match=r"`tall\.png` is 16 x 40 pixels .* others are 19 x 16") as caught:
        list(batches(some, range(4), 4, RESIZE, no_randomness, 0, False, np.array))
    assert [problem.code for problem in caught.value.problems] == ["E513"]


def test_a_fault_of_a_transform_is_ours_and_names_the_image(
    samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr(Pipeline, "draw", fails)
    with pytest.raises(InternalError, match=r"image `0\.png`: ZeroDivisionError: by nought"):
        list(batches(samples, range(2), 2, RESIZE, no_randomness, 2, False, np.array))


def test_no_samples_are_no_batches(samples: list[Sample]) -> None:
    assert list(batches([], [], 4, RESIZE, no_randomness, 2, False, np.array)) == []
    assert list(batches(samples, range(3), 4, RESIZE, no_randomness, 2, True, np.array)) == []


def test_closing_ends_the_threads(samples: list[Sample]) -> None:
    many = [Sample(str(number), 0, samples[0].image) for number in range(2000)]
    begun: list[str] = []

    def randomness(sample: Sample) -> np.random.Generator:
        begun.append(sample.id)
        return no_randomness(sample)

    running = batches(many, range(2000), 4, RESIZE, randomness, 3, False, np.array)
    next(running)
    assert image_threads()
    time.sleep(0.05)
    assert len(begun) <= 3 * 4  # the batch itself and two ahead
    running.close()
    assert not image_threads()


@pytest.mark.parametrize("workers", [1, 3])
def test_the_look_ahead_is_bounded_and_in_order(workers: int) -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        time.sleep(0.002 if item % 3 == 0 else 0)
        return item * item

    results = in_order(work, iter(range(200)), workers, 10)
    for item in range(50):
        assert next(results) == item * item
    time.sleep(0.05)
    assert len(begun) <= 60
    assert list(results) == [item * item for item in range(50, 200)]
    assert not image_threads()


def test_closing_drops_the_work_that_has_not_begun() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        time.sleep(0.001)
        return item

    results = in_order(work, range(1000), 2, 1000)
    assert next(results) == 0
    results.close()
    assert len(begun) < 500


def test_the_order_is_by_id_not_by_place(samples: list[Sample]) -> None:
    backwards = samples[::-1]
    forward = [samples[place].id for place in epoch_order(samples, 3, 0, 1)]
    assert forward == [backwards[place].id for place in epoch_order(backwards, 3, 0, 1)]
    without = [sample for sample in samples if sample.id != "5.png"]
    left = [without[place].id for place in epoch_order(without, 3, 0, 1)]
    assert left == [name for name in forward if name != "5.png"]


def test_an_order_is_pinned(samples: list[Sample]) -> None:
    assert epoch_order(samples[:8], 3, 0, 1).tolist() == [5, 1, 4, 3, 6, 2, 0, 7]


def test_each_epoch_stage_and_seed_has_its_own_order(samples: list[Sample]) -> None:
    orders = {tuple(epoch_order(samples, *key)) for key in ((3, 0, 0), (3, 0, 1), (3, 1, 0), (4, 0, 0))}
    assert len(orders) == 4


def test_an_order_of_60_000_is_quick() -> None:
    many = [Sample(f"train/{number:05}", 0, np.zeros((1, 1), np.uint8)) for number in range(60_000)]
    started = time.process_time()
    order = epoch_order(many, 1, 0, 0)
    assert time.process_time() - started < 1
    assert sorted(order.tolist()) == list(range(60_000))
