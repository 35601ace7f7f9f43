"""What is wrong with a source, and files to list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from recipe_lang.problem import Problem, RecipeError


def touch(root: Path, *names: str) -> Path:
    """Make files; sources list images and do not read them."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def problems_of(work: Callable[..., object], *args: Any, **options: Any) -> Sequence[Problem]:
    with pytest.raises(RecipeError) as caught:
        work(*args, **options)
    return caught.value.problems


def problem_of(work: Callable[..., object], *args: Any, **options: Any) -> Problem:
    (problem,) = problems_of(work, *args, **options)
    return problem


def table(tmp_path: Path, text: str | bytes) -> Path:
    path = touch(tmp_path, "1.jpg", "sub/2.jpg", "3.jpg", "a, b.jpg") / "labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path
