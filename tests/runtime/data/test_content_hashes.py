"""The hash of an image's content: what it depends on, and when a file is read again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from runtime.data import content_hashes as contents
from runtime.data import fingerprints as origins
from runtime.data.content_hashes import content_hashes
from runtime.data.listing import Sample
from runtime.system.cache.disk import FeatureCache, user_cache


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Three files whose times are taken as settled."""
    monkeypatch.setattr(origins, "SETTLED_NS", 0)
    paths = [tmp_path / "a photo.jpg", tmp_path / "фото.png", tmp_path / "empty.png"]
    for path, content in zip(paths, (b"one", b"two" * 10**6, b""), strict=True):
        path.write_bytes(content)
    return paths


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are read."""
    found: list[Path] = []
    plain = contents.content_hash
    monkeypatch.setattr(contents, "content_hash", lambda image: found.append(image) or plain(image))
    return found


def hashes(paths: list[Path], cache: FeatureCache | None) -> list[bytes | None]:
    return content_hashes([Sample(path.name, 0, path) for path in paths], 2, cache)


def test_files_are_hashed_in_order_and_read_once(files: list[Path], read: list[Path]) -> None:
    expected = [hashlib.sha256(path.read_bytes()).digest() for path in files]
    assert hashes(files, user_cache()) == expected
    assert len(read) == 3
    assert hashes(files[::-1], user_cache()) == expected[::-1]
    assert len(read) == 3
    assert hashes(files, None) == expected
    assert len(read) == 6


def test_a_moved_file_is_known_and_a_changed_one_is_not(files: list[Path], read: list[Path]) -> None:
    before = hashes(files, user_cache())
    state = files[0].stat()
    files[0].write_bytes(b"ONE")
    os.utime(files[0], ns=(state.st_atime_ns, state.st_mtime_ns))  # as a program that hides its traces
    after = hashes(files, user_cache())
    assert read[3:] == files[:1]
    assert after[0] != before[0]
    assert after[1:] == before[1:]


def test_a_file_of_a_moment_ago_or_of_the_future_is_read_each_time(
    files: list[Path], read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origins, "SETTLED_NS", 10**15)  # all files have changed within the last ten days
    hashes(files, user_cache())
    hashes(files, user_cache())
    assert len(read) == 6


def test_arrays_differ_by_shape_and_type() -> None:
    pixels = np.arange(12, dtype=np.uint8)
    arrays = [pixels.reshape(3, 4), pixels.reshape(4, 3), np.asfortranarray(pixels.reshape(3, 4)), pixels[::-1]]
    found = content_hashes([Sample(str(n), 0, array) for n, array in enumerate(arrays)], 0, user_cache())
    assert found[0] == found[2]
    assert len(set(found)) == 3


def test_a_file_that_cannot_be_read_has_no_hash(files: list[Path]) -> None:
    assert hashes([files[0], files[0].with_name("gone.png")], user_cache())[1] is None


def test_it_says_how_far_it_is_and_can_be_stopped(files: list[Path]) -> None:
    seen: list[tuple[int, int]] = []
    samples = [Sample(path.name, 0, path) for path in files]
    found = content_hashes(samples, 1, None, lambda *at: seen.append(at), lambda: len(seen) == 3)
    assert seen == [(0, 3), (1, 3), (2, 3)]
    assert [each is None for each in found] == [False, False, True]
