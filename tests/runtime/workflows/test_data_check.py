"""`ftr data check` and `exclude`: what is found of planted faults, and what the list leaves out."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner, Result
from PIL import Image, ImageEnhance, ImageOps
from toy import write_recipe

from recipe_lang.check.checker import check
from recipe_lang.compose.load import load
from recipe_lang.output.identity import recipe_hash
from recipe_lang.problem import RecipeError
from runtime.cli import app
from runtime.data.sets import list_sets
from runtime.data.sources.packaged import digits
from runtime.tasks.classification.suspects import suspects
from runtime.tasks.classification.task import CLASSIFICATION
from runtime.vocabulary import VOCABULARY
from runtime.workflows.data_check.near_duplicates import near_pairs
from runtime.workflows.data_check.thumbnails import thumbnail_of

HOSTILE = "<script>alert(1) & 'tulips'"


def picture(seed: int, size: tuple[int, int] = (140, 120)) -> Image.Image:
    """Return smooth coloured noise: no two seeds look alike."""
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 7, 3)).astype(np.uint8)
    return Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make clean photos of two classes, for training and for testing."""
    monkeypatch.setenv("FTR_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "phötos 'x'"
    for number, (part, label) in enumerate((p, c) for p in ("train", "test") for c in ("#1", HOSTILE)):
        (root / part / label).mkdir(parents=True)
        for each in range(12):
            picture(100 * number + each).save(root / part / label / f"{each}.jpg", quality=92)
    return root


@pytest.fixture
def recipe(photos: Path) -> Path:
    return write_recipe(photos.parent / "flowers.ftr", photos, sources=("train", "test"))


def ftr(*args: object) -> Result:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


def found(recipe: Path, *args: str) -> dict[str, list[list[str]]]:
    """Return the ids of each group, by kind."""
    report: dict[str, Any] = json.loads(ftr("data", "check", recipe, "--json", *args).stdout)
    return {
        kind: [[image["id"] for image in group["images"]] for group in each["groups"]]
        for kind, each in report["found"].items()
    }


def test_a_clean_set_has_no_findings(recipe: Path) -> None:
    assert found(recipe) == {}
    assert ftr("data", "check", recipe, "--strict").exit_code == 0


def leak(photos: Path) -> None:
    shutil.copy(photos / "train/#1/0.jpg", photos / "test/#1/leak.jpg")


def near_leak(photos: Path) -> None:
    small = Image.open(photos / "train/#1/1.jpg").resize((100, 86))
    ImageEnhance.Brightness(small).enhance(1.05).save(photos / "test/#1/near.png")


def labels(photos: Path) -> None:
    shutil.copy(photos / f"train/{HOSTILE}/2.jpg", photos / "train/#1/two.jpg")


def broken(photos: Path) -> None:
    file = photos / "train/#1/3.jpg"
    file.write_bytes(file.read_bytes()[:-300])


SERIOUS: dict[str, tuple[Callable[[Path], None], set[str]]] = {
    "leaks": (leak, {"#1/leak.jpg", "#1/0.jpg"}),
    "near_leaks": (near_leak, {"#1/near.png", "#1/1.jpg"}),
    "labels": (labels, {"#1/two.jpg", f"{HOSTILE}/2.jpg"}),
    "broken": (broken, {"#1/3.jpg"}),
}


@pytest.mark.parametrize("kind", SERIOUS)
def test_serious_findings_fail_where_it_is_strict_and_are_gone_with_the_list(
    kind: str, photos: Path, recipe: Path
) -> None:
    plant, ids = SERIOUS[kind]
    plant(photos)
    (group,) = found(recipe)[kind]
    assert set(group) == ids
    assert ftr("data", "check", recipe).exit_code == 0
    fixed = ftr("data", "check", recipe, "--strict", "--fix")
    assert fixed.exit_code == 1
    assert f"wrote {photos.parent / 'flowers.exclude.txt'}: " in " ".join(fixed.output.split())
    recipe.write_text(recipe.read_text().replace("data {", 'data {\n  exclude = "flowers.exclude.txt"'))
    assert kind not in found(recipe)
    assert ftr("data", "check", recipe, "--strict").exit_code == 0
    before = (photos.parent / "flowers.exclude.txt").read_bytes()
    ftr("data", "check", recipe, "--fix")
    assert (photos.parent / "flowers.exclude.txt").read_bytes() == before


def test_an_interruption_leaves_the_list_as_it_was(photos: Path, recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(photos)
    kept = photos.parent / "flowers.exclude.txt"
    kept.write_text("# mine\n")
    kept.chmod(0o664)

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", interrupted)
        assert ftr("data", "check", recipe, "--fix").exit_code == 130
    assert kept.read_text() == "# mine\n"
    assert not [each for each in photos.parent.iterdir() if each.name.startswith(".flowers")]
    assert ftr("data", "check", recipe, "--fix").exit_code == 0
    assert (kept.read_text().splitlines()[0], kept.stat().st_mode & 0o777) == ("# mine", 0o664)
    assert "#1/3.jpg" in kept.read_text()


def test_what_is_unusual(photos: Path, recipe: Path) -> None:
    root = photos / "train/#1"
    shutil.copy(root / "0.jpg", root / "copy.jpg")
    for number in range(3):  # blank ones are not all copies of each other
        Image.new("RGB", (140, 120), (10 * number, 10, 90)).save(root / f"blank{number}.png")
    picture(50, (900, 60)).save(root / "wide.jpg")
    picture(51, (20, 20)).save(root / "tiny.png")
    picture(52).convert("L").save(root / "grey.png")
    picture(54).save(root / "moving.gif", save_all=True, append_images=[picture(55)])
    turned = Image.Exif()
    turned[0x0112] = 6
    picture(53).save(root / "turned.jpg", exif=turned)
    report = found(recipe)
    assert sorted(map(sorted, report.pop("copies"))) == [["#1/0.jpg", "#1/copy.jpg"]]
    assert {kind: sorted(name for (name,) in groups) for kind, groups in report.items()} == {
        "blank": ["#1/blank0.png", "#1/blank1.png", "#1/blank2.png"],
        "shapes": ["#1/wide.jpg"],
        "small": ["#1/tiny.png"],
        "modes": ["#1/grey.png", "#1/moving.gif"],
        "turned": ["#1/turned.jpg"],
        "several": ["#1/moving.gif"],
    }


def test_what_takes_no_part_is_listed(photos: Path, recipe: Path) -> None:
    (photos / "train/#1/notes.txt").touch()
    shown = ftr("data", "check", recipe, "--strict")
    assert shown.exit_code == 0
    assert "nothing was found" in shown.stdout
    assert "ignored notes.txt: not an image" in shown.stdout
    (photos / "train/#1/0.heic").touch()
    (photos / "test/#1/gone.jpg").symlink_to("/nowhere/gone.jpg")
    Image.new("RGB", (140, 120)).save(photos / "train" / "loose.png")
    shown = ftr("data", "check", recipe, "--strict", "--html", photos.parent / "page.html")
    assert shown.exit_code == 1
    assert "nothing was found" not in shown.stdout
    line = "ignored 4 files: 1 .heic (HEIC: convert it to JPEG or PNG), 1 .png (beside the class folders), 1 dangling"
    assert line in " ".join(shown.stdout.split())
    assert "gone.jpg" in shown.stdout
    assert line.lower() in (photos.parent / "page.html").read_text(encoding="utf-8").lower()
    listed = json.loads(ftr("data", "check", recipe, "--json").stdout)
    assert [(Path(each["path"]).name, each["serious"]) for each in listed["passed_over"]] == [
        ("gone.jpg", True),
        ("0.heic", True),
        ("notes.txt", False),
        ("loose.png", True),
    ]
    assert listed["serious"]


def test_the_page_shows_hostile_names_as_text_and_needs_nothing_else(photos: Path, recipe: Path) -> None:
    for plant, _ in SERIOUS.values():
        plant(photos)
    page = photos.parent / "a page.html"
    page.mkdir()
    failed = CliRunner().invoke(app, ["data", "check", str(recipe), "--html", str(page)])
    assert failed.exit_code == 1
    assert failed.stderr.startswith(f"error[E603]: cannot write {page}: Is a directory")
    assert "images of 2 classes" in failed.stdout  # the findings come first
    page.rmdir()
    ftr("data", "check", recipe, "--html", page)
    text = page.read_text(encoding="utf-8")
    piped_to = photos.parent / "piped.html"
    with piped_to.open("wb") as out, subprocess.Popen("cat", stdin=subprocess.PIPE, stdout=out) as cat:
        assert cat.stdin is not None
        piped = CliRunner().invoke(app, ["data", "check", str(recipe), "--html", f"/dev/fd/{cat.stdin.fileno()}"])
    assert piped.exit_code == 0, piped.stderr
    assert piped_to.read_text(encoding="utf-8") == text
    assert "<script" not in text
    assert 'alt=""' not in text
    assert "&lt;script&gt;alert(1) &amp; &#39;tulips&#39;" in text
    assert text.count('src="data:image/') >= 6
    assert "http" not in text.replace("http-equiv", "")


RESAVED: dict[str, Callable[[Image.Image, Path], None]] = {
    "a JPEG": lambda image, path: image.save(path.with_suffix(".jpg"), quality=75),
    "a mirrored JPEG": lambda image, path: ImageOps.mirror(image).save(path.with_suffix(".jpg"), quality=80),
    "smaller": lambda image, path: image.resize((200, 160)).save(path.with_suffix(".png")),
    "larger": lambda image, path: image.resize((517, 414)).save(path.with_suffix(".png")),
    "half": lambda image, path: image.reduce(2).save(path.with_suffix(".jpg"), quality=90),
    "WebP": lambda image, path: image.save(path.with_suffix(".webp")),
}


@pytest.mark.parametrize("ending", ["png", "jpg"])
@pytest.mark.parametrize("name", RESAVED)
def test_copies_in_another_format_or_size_are_found(name: str, ending: str, tmp_path: Path) -> None:
    """Detailed pictures: what is left of detail in the small ones depends on how they were made smaller."""
    rng = np.random.default_rng(0)
    for number in range(12):
        noise = Image.fromarray(rng.integers(60, 200, (50, 62, 3)).astype(np.uint8)).resize((310, 250))
        image = Image.blend(noise, picture(number, noise.size), 0.6)
        image.save(tmp_path / f"{number:02}.{ending}")
        RESAVED[name](image, tmp_path / f"copy{number:02}")
    files = sorted(tmp_path.iterdir())
    pairs = near_pairs([thumbnail_of(file) for file in files])
    assert [(files[one].stem, files[other].stem) for one, other in pairs] == [
        (f"{number:02}", f"copy{number:02}") for number in range(12)
    ]


def test_thousands_of_copies_of_one_picture_are_one_group() -> None:
    rng = np.random.default_rng(0)

    def noise() -> npt.NDArray[np.uint8]:
        return rng.integers(1, 255, (40, 40, 3)).astype(np.uint8)

    one, count = noise(), 1600
    copies = [thumbnail_of(one + rng.integers(0, 2, one.shape).astype(np.uint8)) for _ in range(count)]
    pairs = near_pairs([*copies, *(thumbnail_of(noise()) for _ in range(count))])
    assert len(pairs) < 20 * count
    linked = {0}
    for _ in range(20):
        linked |= {place for pair in pairs if linked & set(pair) for place in pair}
    assert linked == set(range(count))


def test_digits_look_alike_and_are_no_copies() -> None:
    looks = [thumbnail_of(sample.image) for sample in digits().samples[:600]]
    assert near_pairs(looks) == []
    again = np.clip(np.asarray(digits().samples[7].image, int) + 4, 0, 255).astype(np.uint8)
    for copy in (again, again[:, ::-1]):
        assert near_pairs([*looks, thumbnail_of(copy)]) == [(7, len(looks))]


def test_planted_wrong_labels_are_found() -> None:
    listing = digits()
    rows = np.stack([np.asarray(sample.image, np.float32).ravel() for sample in listing.samples])
    labels = np.array([sample.target for sample in listing.samples])
    rng = np.random.default_rng(0)
    wrong = rng.choice(len(labels), len(labels) // 20, replace=False)
    labels[wrong] = (labels[wrong] + rng.integers(1, 10, len(wrong))) % 10
    found = [each.index for each in suspects(rows, labels, (), seed=0)]
    hits = len(set(found) & set(wrong.tolist()))
    assert hits >= 0.85 * len(wrong)
    assert hits >= 0.6 * len(found)
    assert len(set(found[: len(wrong) // 2]) & set(wrong.tolist())) >= 0.9 * (len(wrong) // 2)  # the surest first


def test_labels_are_judged_by_the_base(photos: Path, recipe: Path) -> None:
    for number in range(12):
        Image.new("RGB", (40, 36), (200 + number, 10, 2 * number)).save(photos / f"train/#1/{number}.jpg")
        Image.new("RGB", (40, 36), (2 * number, 10, 200 + number)).save(photos / f"train/{HOSTILE}/{number}.jpg")
    Image.new("RGB", (40, 36), (3, 10, 230)).save(photos / "train/#1/blue.jpg")
    shutil.rmtree(photos / "test")
    recipe = write_recipe(recipe, photos, sources=("train",))
    ftr("data", "check", recipe, "--labels", "--fix")
    listed = (photos.parent / "flowers.exclude.txt").read_text()
    assert "# [train] #1/blue.jpg: labels that may be wrong: looks like" in listed
    assert "\n./#1/blue.jpg" not in listed


# --- the list ------------------------------------------------------------------------------------


def with_list(recipe: Path, text: str) -> dict[str, set[str]]:
    recipe.with_name("out.txt").write_text(text, encoding="utf-8")
    if "exclude" not in recipe.read_text():
        recipe.write_text(recipe.read_text().replace("data {", 'data {\n  exclude = "out.txt"'))
    sets = list_sets(check(load(recipe), VOCABULARY), CLASSIFICATION)
    return {name: {sample.id for sample in listing.samples} for name, listing in sets.items()}


def test_a_list_takes_comments_parts_and_odd_names(recipe: Path) -> None:
    sets = with_list(recipe, f"\ufeff# why\r\n./#1/0.jpg\r\n\r\n[test]\r\n  {HOSTILE}/5.jpg\r\n")
    assert "#1/0.jpg" not in sets["train"] | sets["valid"] | sets["test"]
    assert f"{HOSTILE}/5.jpg" not in sets["test"]
    assert f"{HOSTILE}/5.jpg" in sets["train"] | sets["valid"]
    assert len(sets["test"]) == 22


def test_a_line_that_matches_nothing_has_its_place(recipe: Path) -> None:
    with pytest.raises(RecipeError) as raised:
        with_list(recipe, "./#1/0.jpg\n# gone\n./#1/0.jpeg\nnothing\n")
    (problem,) = raised.value.problems
    assert problem.code == "E553"
    assert problem.message().startswith("line 3 of ")
    assert "1 more" in problem.message()
    assert "`#1/0.jpg`" in problem.help()
    assert problem.span is not None
    assert problem.span.text == '"out.txt"'


@pytest.mark.parametrize(("content", "code"), [(None, "E501"), (b"\x89PNG\0\0", "E511")])
def test_lists_that_cannot_be_read(recipe: Path, content: bytes | None, code: str) -> None:
    recipe.write_text(recipe.read_text().replace("data {", 'data {\n  exclude = "out.txt"'))
    if content is not None:
        recipe.with_name("out.txt").write_bytes(content)
    with pytest.raises(RecipeError) as raised:
        list_sets(check(load(recipe), VOCABULARY), CLASSIFICATION)
    assert [problem.code for problem in raised.value.problems] == [code]


def test_the_list_is_not_part_of_the_recipe_s_identity(recipe: Path) -> None:
    before = recipe_hash(check(load(recipe), VOCABULARY), VOCABULARY)
    with_list(recipe, "./#1/0.jpg\n")
    assert recipe_hash(check(load(recipe), VOCABULARY), VOCABULARY) == before


# --- what a run says -----------------------------------------------------------------------------


def test_a_plan_warns_of_copies_across_sets(photos: Path, recipe: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert ftr("plan", recipe).exit_code == 0
    assert "W760" not in capfd.readouterr().err
    leak(photos)
    assert ftr("plan", recipe).exit_code == 0
    assert "advice[W760]: 1 image of `test` is in `" in capfd.readouterr().err


def test_a_plan_names_files_without_an_image(photos: Path, recipe: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for number in range(5):
        (photos / f"test/#1/{number}.jpg").write_bytes(b"<html>" * (number % 2))
    for on_error, said in (("stop", "a run stops at them"), ("skip", "a run skips them")):
        recipe.write_text(recipe.read_text().replace("data {", f"data {{\n  on_error = {on_error}"))
        assert ftr("plan", recipe).exit_code == 0
        told = capfd.readouterr().err
        assert "files of `test` hold no image: `#1/0.jpg`, `#1/1.jpg`, `#1/2.jpg` and 2 more files" in told
        assert said in told
        assert "W760" not in told  # empty files are no copies
        recipe.write_text(recipe.read_text().replace(f"\n  on_error = {on_error}", ""))


def test_a_run_warns_of_copies_across_sets(photos: Path, recipe: Path, capfd: pytest.CaptureFixture[str]) -> None:
    leak(photos)
    result = ftr("run", recipe, "--out", photos.parent / "run")
    assert result.exit_code == 0
    said = "1 image of `test` is in `"
    assert f"advice[W760]: {said}" in capfd.readouterr().err
    ((code, message),) = json.loads((photos.parent / "run/result.json").read_text())["advice"]
    assert (code, message.startswith(said)) == ("W760", True)
