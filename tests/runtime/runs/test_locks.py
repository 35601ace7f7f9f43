"""Locks: their text, what they record, when they are written, and runs that keep to one."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from locked import CLAIM, PARAM, STAGE, edit, ftr, pixel, ran
from toy import make_images, write_recipe

from runtime.data import fingerprints as origins
from runtime.data.content_hashes import set_hashes
from runtime.runs.lock.facts import contents
from runtime.runs.lock.file import Facts, lock_of, lock_text, read_lock
from runtime.tasks.classification.task import CLASSIFICATION
from runtime.workflows.preparation import prepare


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.runs.writer.export_model", lambda *_: None)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe with a parameter and a claim, in a folder with a space and letters that are not Latin."""
    home = tmp_path / "мои recipes"
    for seed, name in enumerate(("train", "valid")):
        make_images(home / "photos" / name, {"blue": 8, "green": 8}, seed)
    return write_recipe(
        home / "r.ftr", Path("photos"), STAGE + CLAIM, top=PARAM, data="  batch = 8", sources=("train", "valid")
    )


SETS = ("train", "valid", "test")

FACTS: Facts = {
    ("data.train", 'a "b"\\ = c'): 3,
    ("data.train", "é\n]\x7f"): 4,
    ("data.train", "plain"): 0,
    ("result", "loss"): 1e-9,
    ("result", "none"): float("inf"),
    ("result.claims", "x >= 1"): True,
    ("run", "device"): "cpu",
}


# --- the text --------------------------------------------------------------------------------


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    path.write_text(lock_text(FACTS))
    assert read_lock(path).facts == {**FACTS, ("result", "none"): "inf"}
    assert lock_text(dict(reversed(FACTS.items()))) == lock_text(FACTS)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no tomllib")
def test_it_is_toml() -> None:
    import tomllib

    found = tomllib.loads(lock_text(FACTS))
    assert found["data"]["train"] == {'a "b"\\ = c': 3, "é\n]\x7f": 4, "plain": 0}
    assert found["result"] == {"loss": 1e-9, "none": "inf", "claims": {"x >= 1": True}}


HOSTILE = {
    "nothing": (b"", "E562"),
    "another version": (b"lock = 2\n", "E562"),
    "no text": (b"\xff\xfe\x00", "E108"),
    "too long": (b"#" * 8_000_001, "E109"),
    "a merge": (b"lock = 1\n<<<<<<< HEAD\n", "E562"),
    "twice": (b'lock = 1\n[run]\nfuse = "on"\nfuse = "on"\n', "E562"),
    "deep": (b"lock = 1\n[run]\nthreads = " + b"[" * 100_000, "E562"),
    "a long number": (b"lock = 1\n[run]\nthreads = " + b"9" * 500_000, "E562"),
    "no number": (b"lock = 1\n[run]\nthreads = 1e\n", "E562"),
    "no end": (b'lock = 1\n[run]\nthreads = "' + b"\\" * 500_001 + b"\n", "E562"),
    "no threads": (b"lock = 1\n", "E562"),
    "many threads": (b"lock = 1\n[run]\nthreads = 1000000\n", "E562"),
    "half a thread": (b"lock = 1\n[run]\nthreads = 1.0\n", "E562"),
    "no result": (b"lock = 1\n[run]\nthreads = 2\n", "E563"),
    "no fuse": (b'lock = 1\n[result]\nweights = "x"\n[run]\nthreads = 2\n', "E562"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_lock_of_somebody_else_gives_a_plain_error(name: str, recipe: Path) -> None:
    content, code = HOSTILE[name]
    lock_of(recipe).write_bytes(content)
    found = ftr("verify", recipe)
    assert (found.exit_code, f"error[{code}]" in found.stderr) == (2, True), found.output
    assert len(found.stderr) < 5000


def test_what_a_lock_says_cannot_steer_a_terminal(recipe: Path) -> None:
    ran(recipe)
    edit(lock_of(recipe), hash="\x1b[2Jgone")
    found = ran(recipe, "--locked")
    assert "E561" in found.stderr
    assert "\x1b" not in found.stderr


def of(recipe: Path) -> str:
    listings = prepare(recipe).listings
    return str(contents(listings, set_hashes(listings, 1, None), CLASSIFICATION)["data"]["fingerprint"])


CHANGES: dict[str, tuple[Callable[[Path], object], bool]] = {
    "a pixel": (pixel, True),
    "a label": (lambda photos: (photos / "train/blue/3.jpg").rename(photos / "train/green/33.jpg"), True),
    "a name": (lambda photos: (photos / "train/blue/3.jpg").rename(photos / "train/blue/33.jpg"), True),
    "the set": (lambda photos: (photos / "train/blue/3.jpg").rename(photos / "valid/blue/33.jpg"), True),
    "two images": (
        lambda photos: [
            (photos / f"train/blue/{a}").rename(photos / f"train/blue/{b}")
            for a, b in (("3.jpg", "x.jpg"), ("4.jpg", "3.jpg"), ("x.jpg", "4.jpg"))
        ],
        True,
    ),
    "a file beside": (lambda photos: (photos / "train/notes.txt").write_text("x"), False),
    "the place": (lambda photos: photos.parent.rename(photos.parent.with_name("elsewhere")), False),
}


# --- what it records -------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHANGES)
def test_the_fingerprint_is_of_what_is_learned_from(name: str, recipe: Path) -> None:
    change, matters = CHANGES[name]
    before = of(recipe)
    change(recipe.with_name("photos"))
    moved = recipe if recipe.exists() else recipe.parent.with_name("elsewhere") / recipe.name
    assert (of(moved) != before) is matters


def test_a_changed_pixel_is_noticed_though_the_hashes_are_kept(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origins, "SETTLED_NS", 0)
    ran(recipe)
    pixel(recipe.with_name("photos"))
    found = ftr("lock", recipe).output
    assert [line.split(":")[0].strip() for line in found.splitlines()[1:]] == ["data.train.blue"]


def test_a_lock_of_ten_thousand_long_names_of_classes_can_be_read(tmp_path: Path) -> None:
    facts: Facts = {(f"data.{name}", f"{'x' * 80}{n}"): "99 images, 01234567" for name in SETS for n in range(10_000)}
    lock = tmp_path / "many.lock"
    lock.write_text(lock_text(facts))
    assert read_lock(lock).facts == facts


def test_the_weights_and_the_parents_are_in_it(tmp_path: Path, recipe: Path) -> None:
    child = recipe.with_name("child.ftr")
    child.write_text('ftr 1\nextends "r.ftr"\nseed = 5\n')
    ftr("lock", child)
    before = read_lock(lock_of(child)).facts
    assert [name for section, name in before if section == "parents"] == ["r.ftr"]
    assert before["weights", "source"] == "random, from the seed"
    recipe.write_text(recipe.read_text() + "# a remark\n")
    assert "parents.r.ftr" in ftr("lock", child).output


def test_hashes_of_packaged_weights(tmp_path: Path) -> None:
    recipe = tmp_path / "d.ftr"
    recipe.write_text(
        'ftr 1\ndata {\n  train = digits\n  size = 32px\n}\nbase = packaged("efficientnet_lite0")\n' + STAGE
    )
    recipe.write_text(recipe.read_text().replace("$rate", "1e-3"))
    assert ftr("lock", recipe).exit_code == 0
    found = read_lock(lock_of(recipe)).facts
    assert found["weights", "sha256"] == "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    assert ("data.train", "7") in found
    assert found["recipe", "seed"] == prepare(recipe).plan.seed


# --- when it is written ----------------------------------------------------------------------


def test_the_first_run_writes_it_and_the_next_says_whether_it_came_out_again(recipe: Path) -> None:
    lock = lock_of(recipe)
    assert ran(recipe).stdout.splitlines()[-1].startswith(f"wrote {lock}: ")
    first = lock.read_bytes()
    assert (recipe.with_name("run") / "recipe.ftr.lock").read_bytes() == first
    assert read_lock(lock).has_result

    shutil.rmtree(recipe.with_name("run"))
    assert ran(recipe).stdout.splitlines()[-1] == f"the same result, bit for bit, as in {lock}"
    shutil.rmtree(recipe.with_name("run"))
    assert str(lock) not in ran(recipe, "--set", "rate=1e-2").output
    shutil.rmtree(recipe.with_name("run"))
    recipe.write_text(recipe.read_text().replace("for = 1 epoch", "for = 2 epochs"))
    assert f"{lock} records an earlier state (recipe.hash, recipe.resolved changed since)" in ran(recipe).stdout
    assert lock.read_bytes() == first


def test_ftr_lock_keeps_a_result_while_nothing_changes(recipe: Path) -> None:
    ran(recipe)
    assert ftr("lock", recipe).stdout == f"{lock_of(recipe)} is up to date\n"
    assert read_lock(lock_of(recipe)).has_result
    edit(lock_of(recipe), numpy="1.0")
    assert "versions.numpy: 1.0 -> " in ftr("lock", recipe).stdout
    assert not read_lock(lock_of(recipe)).has_result
    shutil.rmtree(recipe.with_name("run"))
    assert ran(recipe).stdout.splitlines()[-1].startswith(f"wrote {lock_of(recipe)}: ")
    assert read_lock(lock_of(recipe)).has_result


def test_a_run_whose_claims_fail_gives_none(recipe: Path) -> None:
    recipe.write_text(recipe.read_text().replace("accuracy >= 0%", "loss <= 0"))
    found = ran(recipe)
    assert found.exit_code == 1
    assert found.stdout.splitlines()[-1] == f"{lock_of(recipe)} is not written: a claim does not hold"
    assert not lock_of(recipe).exists()
    assert (recipe.with_name("run") / "recipe.ftr.lock").exists()


def test_where_it_cannot_be_written_the_run_is_none_the_worse(recipe: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lock_of(recipe).mkdir()
    found = ran(recipe, "--quiet")
    assert found.exit_code == 0
    assert f"cannot read {lock_of(recipe)}: Is a directory" in capfd.readouterr().err


# --- a locked run ----------------------------------------------------------------------------


def test_a_locked_run_refuses_what_differs_and_names_it(recipe: Path) -> None:
    assert "E560" in ran(recipe, "--locked").stderr
    ftr("lock", recipe)
    edit(lock_of(recipe), numpy="1.0", processor="abacus", threads=1)
    (recipe.parent / "photos/train/blue/3.jpg").unlink()
    found = ran(recipe, "--locked", "--threads", 2)
    assert found.exit_code == 1
    assert not recipe.with_name("run").exists()
    names = ["data.train.blue", "run.threads", "versions.numpy"]
    assert [line.split("`")[1] for line in found.stderr.splitlines() if line.startswith("error[E561]")] == names
    assert "`data.train.blue` is 7 images, " in found.stderr
    assert "says 8 images, " in found.stderr


def test_a_locked_run_takes_the_threads_of_its_lock(recipe: Path) -> None:
    ftr("lock", recipe, "--threads", 1)
    assert ran(recipe, "--locked").exit_code == 0
    assert read_lock(lock_of(recipe)).threads() == 1
