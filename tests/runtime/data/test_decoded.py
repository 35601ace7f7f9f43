"""Images that are read again are decoded once, and what comes out is the same bits."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from steps import Made
from toy import make_images, write_recipe

from runtime.data import decoded as store
from runtime.data import images
from runtime.data.decoded import Decoded, fixed_lead, opening, read_again
from runtime.data.listing import Sample
from runtime.data.sets import Sets
from runtime.data.sources.files import folder
from runtime.plan.types import Component
from runtime.system.prefetch import in_order
from runtime.system.spill import Budget
from runtime.training.settings import RunSettings
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run

FLIP = Component("flip", {"direction": "horizontal"})
SQUARE = [Component("resize", {"size": 16}), Component("center_crop", {"size": 16})]
CROP = Component("random_resized_crop", {"size": 16, "scale": (0.2, 1.0), "ratio": (0.75, 1.33)})
JITTER = Component(
    "color_jitter", {"amount": 0.3, "brightness": None, "contrast": None, "saturation": None, "hue": 0.1}
)
SETS = frozenset({"train", "valid"})


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    for name, count in (("train", 12), ("valid", 5), ("test", 4)):
        make_images(root / name, {"blue": count, "green": count}, seed=count)
    return root


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Note what is opened."""
    seen: list[Any] = []

    def noting(ref: Any, reading: images.Reading) -> Image.Image:
        seen.append(ref)
        return images.open_rgb(ref, reading)

    monkeypatch.setattr(store, "open_grey_or_rgb", noting)
    return seen


@pytest.fixture(params=["memory", "file"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Decoded]:
    decoded = Decoded(SETS, Budget(2**20 if request.param == "memory" else 0, 2**20, tmp_path))
    yield decoded
    decoded.close()
    assert list(tmp_path.iterdir()) == []


def reading(steps: Sequence[Component], kept: Decoded | None, again: bool = True) -> Any:
    lead = fixed_lead(steps)
    return opening(lead, kept, again)


def made(steps: Sequence[Component], kept: Decoded | None, sources: Sequence[Any], seed: int) -> list[bytes]:
    """Return what steps make of images."""
    give, rest = reading(steps, kept), Made(*steps[len(fixed_lead(steps)) :])
    return [rest(give(ref), np.random.default_rng([seed, number])).tobytes() for number, ref in enumerate(sources)]


def test_the_fixed_steps_are_those_before_the_first_random_one() -> None:
    assert fixed_lead([*SQUARE, FLIP, *SQUARE]) == tuple(SQUARE)
    assert fixed_lead([SQUARE[0], CROP, FLIP]) == (SQUARE[0],)
    assert fixed_lead([CROP, FLIP]) == ()
    assert fixed_lead(SQUARE) == tuple(SQUARE)


@pytest.mark.parametrize(
    "steps", [[*SQUARE, FLIP, FLIP], [CROP, FLIP, JITTER], [SQUARE[0], CROP], SQUARE, []], ids=lambda steps: len(steps)
)
def test_kept_images_are_the_same_and_opened_once(
    steps: list[Component], kept: Decoded, photos: Path, opened: list[Any]
) -> None:
    sources = [sample.image for sample in folder(photos / "train").samples]
    for seed in range(3):
        whole = [Made(*steps)(images.open_rgb(ref), np.random.default_rng([seed, n])) for n, ref in enumerate(sources)]
        assert made(steps, kept, sources, seed) == [image.tobytes() for image in whole]
    assert opened == sources


def test_images_of_any_size_and_kind_come_back(kept: Decoded, tmp_path_factory: pytest.TempPathFactory) -> None:
    root, rng = tmp_path_factory.mktemp("kinds"), np.random.default_rng(1)
    rgba = rng.integers(0, 256, (21, 7, 4), dtype=np.uint8)
    Image.fromarray(rgba).save(root / "a.png")
    Image.fromarray(rgba[:3, :, 0]).save(root / "b.png", transparency=7)
    Image.fromarray(rgba[..., :3]).save(root / "c.png", transparency=(1, 2, 3))
    sources = [root / name for name in ("a.png", "b.png", "c.png")]
    for _ in range(2):
        for path in sources:
            assert np.array_equal(reading([FLIP], kept)(path), images.open_rgb(path))


def test_other_fixed_steps_are_another_image(kept: Decoded, photos: Path) -> None:
    ref = folder(photos / "train").samples[0].image
    assert reading([*SQUARE, FLIP], kept)(ref).size == (16, 16)
    assert reading([Component("resize", {"size": 8}), FLIP], kept)(ref).size == (8, 8)
    assert reading([FLIP], kept)(ref).size == (40, 36)


def test_what_is_read_once_is_not_kept_but_taken_where_it_is_there(
    kept: Decoded, photos: Path, opened: list[Any]
) -> None:
    ref = folder(photos / "train").samples[0].image
    for again in (False, False, True, False):
        reading(SQUARE, kept, again)(ref)
    assert len(opened) == 3


def test_arrays_are_kept_only_where_steps_change_them(kept: Decoded, opened: list[Any]) -> None:
    small, right = np.zeros((8, 8), np.uint8), np.zeros((16, 16, 3), np.uint8)
    for _ in range(3):
        for array in (small, right):
            reading([*SQUARE, FLIP], kept)(array)
        reading([CROP], kept)(small)
    assert [sum(ref is array for ref in opened) for array in (small, right)] == [1 + 3, 3]


@pytest.mark.parametrize("room", ["memory", "disk"])
def test_what_fits_is_kept_and_the_rest_opened_each_time(room: str, photos: Path, opened: list[Any]) -> None:
    sources = [sample.image for sample in folder(photos / "train").samples]
    some = {"memory": 0, "disk": 0, room: 5 * 16 * 16 * (4 if room == "memory" else 3)}
    kept = Decoded(SETS, Budget(**some))
    first, second = (made([*SQUARE, FLIP], kept, sources, 1) for _ in range(2))
    kept.close()
    assert first == second == made([*SQUARE, FLIP], None, sources, 1)
    assert len(opened) == 24 + 19 + 24


def test_threads_share_it(kept: Decoded, photos: Path) -> None:
    sources = [sample.image for sample in folder(photos / "train").samples]
    give = reading([*SQUARE, FLIP], kept)
    alone = [reading(SQUARE, None)(ref).tobytes() for ref in sources]
    found = in_order(lambda number: give(sources[number % 24]).tobytes(), range(24 * 20), 4, 64)
    assert list(found) == alone * 20


@pytest.mark.parametrize("fault", ["write", "part", "space", "folder", "read"])
def test_a_disk_that_refuses_ends_nothing_and_is_noted_once(
    fault: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    written: list[int] = []
    write = os.pwrite

    def refuse(file: int, *rest: Any) -> int:
        written.append(file)
        if fault == "part" and len(written) % 2:
            return write(file, rest[0][:100], rest[1])
        raise OSError(28, "No space left on device")

    if fault in ("write", "part"):
        monkeypatch.setattr(os, "pwrite", refuse)
    if fault == "read":
        monkeypatch.setattr(os, "pread", refuse)
    if fault == "space":
        monkeypatch.setattr(store, "SPARE_BYTES", 2**62)
    kept = Decoded(SETS, Budget(0, 2**30, tmp_path / "none" if fault == "folder" else tmp_path))
    sources = [sample.image for sample in folder(photos / "train").samples]
    with caplog.at_level(logging.WARNING):
        found = [made([*SQUARE, FLIP], kept, sources, 1) for _ in range(2)]
    kept.close()
    assert found == [made([*SQUARE, FLIP], None, sources, 1)] * 2
    assert len(caplog.records) == 1
    assert "opened again" in caplog.text


STAGES = 'stage "all" {\n  train = all\n  for = 3 epochs\n}\n'


@pytest.mark.parametrize(
    "augment",
    [
        "[random_resized_crop, flip(horizontal)]",
        *(pytest.param(each, marks=pytest.mark.long) for each in ("[flip(horizontal), flip(vertical)]", "[]")),
    ],
)
def test_a_run_decodes_each_image_once_and_trains_the_same(
    augment: str, photos: Path, tmp_path: Path, opened: list[Any]
) -> None:
    stages = STAGES.replace("= all", "= base.block3 .. head")
    recipe = write_recipe(tmp_path / "r.ftr", photos, stages, data=f"  augment = {augment}\n  batch = 8\n")
    weights = []
    for cache in (True, False):
        before = len(opened)
        run(prepare(recipe), RunSettings(workers=2, cache=cache), tmp_path / f"run-{cache}")
        train, valid, test = 24, 10, 8
        times = len(opened) - before
        assert times == (train + valid + test if cache else 3 * train + 4 * valid + test)
        weights.append((tmp_path / f"run-{cache}/model.params").read_bytes())
    assert weights[0] == weights[1]


@pytest.mark.parametrize(("epochs", "expected"), [(1, {"valid"}), (2, {"train", "valid"})])
def test_what_a_plan_reads_again(epochs: int, expected: set[str], photos: Path, tmp_path: Path) -> None:
    stages = STAGES.replace("3 epochs", f"{epochs} epochs" if epochs > 1 else "1 epoch")
    plan = prepare(write_recipe(tmp_path / "r.ftr", photos, stages)).plan
    assert read_again(plan) == expected


def test_views_of_no_randomness_are_read_once(photos: Path, opened: list[Any]) -> None:
    """A frozen part keeps what it makes of them."""
    samples = folder(photos / "train").samples[:8]
    plan: Any = type("Plan", (), {"batch": 8, "prepare": SQUARE})
    kept = Decoded(SETS)
    sets = Sets(plan, 1, {"train": samples}, 0, np.array, kept)
    for _ in range(2):
        list(sets.views(samples, SQUARE, [()] * 8))
    assert len(opened) == 16
    both = [each for sample in samples for each in (sample, sample)]
    (one, two) = sets.views(both, [*SQUARE, FLIP], [(False,), (True,)] * 8)
    assert len(opened) == 24
    pictures: Sequence[Any] = [*one.images, *two.images]
    assert all(np.array_equal(pictures[n][:, ::-1], pictures[n + 1]) for n in range(0, 16, 2))
    kept.close()


def test_an_unreadable_image_is_named_as_ever(photos: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"nothing")
    plan: Any = type("Plan", (), {"batch": 8, "prepare": SQUARE})
    sets = Sets(plan, 1, {"valid": [Sample("broken.jpg", 0, broken)]}, 0, np.array, Decoded(SETS))
    for _ in range(2):
        with pytest.raises(Exception, match=r"image `broken\.jpg` cannot be read"):
            list(sets.evaluation("valid"))
