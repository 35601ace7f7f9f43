"""Packs: what they hold, that equal runs give equal bytes, and what is refused before anything is written."""

from __future__ import annotations

import io
import json
import os
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from command import Ftr
from packs import RECIPE, make_run, pack_run, report
from toy import train, write_recipe

from recipe_lang.problem import Problem, RecipeError
from runtime.cli import app
from runtime.runs import trained as finished
from runtime.runs.pack.file import MEMBERS, open_pack, opened, write_pack
from runtime.runs.pack.pack import unpack
from runtime.runs.pack.signature import is_pack
from runtime.runs.recipe_files import replace_file


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """Return the pack of a run that was not trained."""
    return pack_run(make_run(tmp_path / "runs/flowers-1"), tmp_path / "flowers.ftrpack")[0]


def problem_of(work: Callable[[], object]) -> Problem:
    """Return the one problem that something raises."""
    with pytest.raises(RecipeError) as caught:
        work()
    (problem,) = caught.value.problems
    assert problem.message().isprintable()
    return problem


def rewrite(pack: Path, change: Callable[[list[tuple[zipfile.ZipInfo, bytes]]], None]) -> None:
    """Write a pack's entries anew, changed."""
    with zipfile.ZipFile(pack) as archive:
        entries = [(entry, archive.read(entry)) for entry in archive.infolist()]
    change(entries)
    with pytest.MonkeyPatch.context() as patch, zipfile.ZipFile(pack, "w") as archive:
        patch.setattr("warnings.warn", lambda *_, **__: None)
        for entry, content in entries:
            archive.writestr(entry, content)


# --- sound packs ------------------------------------------------------------------------------


def test_equal_runs_give_equal_bytes_wherever_they_lie(tmp_path: Path) -> None:
    first = pack_run(make_run(tmp_path / "here/run"), tmp_path / "a.ftrpack")[0]
    second = pack_run(make_run(tmp_path / "over/there/run"), tmp_path / "b.ftrpack")[0]
    assert first.read_bytes() == second.read_bytes()
    assert os.fsencode(tmp_path) not in first.read_bytes()


def test_a_pack_holds_what_it_may_and_never_the_data(pack: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(pack) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert 'folder(path = "photos/train")' in archive.read("resolved.ftr").decode()
    assert names == sorted(MEMBERS.keys() - {"base-symbol.json", "labels.json", "recipe.ftr.lock", "targets.json"})
    light = pack_run(tmp_path / "runs/flowers-1", tmp_path / "light.ftrpack", weights=False)[0]
    assert zipfile.ZipFile(light).namelist() == [name for name in names if name != "model.params"]


def test_back_and_forth(pack: Path, tmp_path: Path) -> None:
    folder = unpack(pack, tmp_path / "again")
    run = tmp_path / "runs/flowers-1"
    for name in ("recipe.ftr", "classes.json", "result.json", "metrics.jsonl", "model.params", "curves.png"):
        assert (folder / name).read_bytes() == (run / name).read_bytes()
    assert pack_run(folder, tmp_path / "b.ftrpack")[0].read_bytes() == pack.read_bytes()


def test_nothing_is_written_over(pack: Path, tmp_path: Path) -> None:
    assert problem_of(lambda: pack_run(tmp_path / "runs/flowers-1", pack)).code == "E572"
    assert pack_run(tmp_path / "runs/flowers-1", pack, force=True)[0] == pack
    (tmp_path / "full").mkdir()
    (tmp_path / "full/notes.txt").touch()
    assert problem_of(lambda: unpack(pack, tmp_path / "full")).code == "E604"
    before = pack.read_bytes()
    assert problem_of(lambda: replace_file(pack, "ftr 1")).code == "E118"
    assert pack.read_bytes() == before


def test_paths_of_the_own_machine_are_told(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", text=RECIPE.replace("photos/test", "/home/me/photos/test"))
    assert pack_run(run, tmp_path / "a.ftrpack")[1] == [
        "the recipe names /home/me/photos/test, which the pack does not hold: better is a relative path"
    ]


def test_a_list_of_images_that_the_pack_does_not_hold_is_told(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", text=RECIPE.replace("data {", 'data {\n  exclude = "lists/blurred.txt"', 1))
    assert pack_run(run, tmp_path / "a.ftrpack")[1] == [
        "the recipe names lists/blurred.txt, which the pack does not hold: share it too"
    ]


@pytest.mark.parametrize("name", ["recipe.ftr", "result.json", "plan.json", "classes.json"])
def test_what_is_no_run_is_not_packed(tmp_path: Path, name: str) -> None:
    run = make_run(tmp_path / "run")
    (run / name).unlink()
    assert problem_of(lambda: pack_run(run, tmp_path / "a.ftrpack")).code in ("E605", "E110", "E109")
    assert sorted(os.listdir(tmp_path)) == ["run"]


def test_a_plan_that_is_nested_without_end_is_not_packed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    plan = json.loads((run / "plan.json").read_text())
    (run / "plan.json").write_text(
        json.dumps({**plan, "deep": 0}).replace('"deep": 0', f'"deep": {"[" * 700}{"]" * 700}')
    )
    assert problem_of(lambda: pack_run(run, tmp_path / "a.ftrpack")).code == "E605"


def test_every_command_takes_a_pack(ftr: Ftr, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    (tmp_path / "home").mkdir()
    os.symlink(photos, tmp_path / "home/photos")
    recipe = write_recipe(tmp_path / "home/r.ftr", Path("photos"))
    train(recipe, tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    assert ftr("pack", "run", "-o", "home/é 'x'.ftrpack").code == 0
    pack = "home/é 'x'.ftrpack"
    for command in ("check", "show", "plan", "fix"):
        assert ftr(command, pack)[0] == 0, command
    assert ftr("show", pack).out == recipe.read_text()
    assert ftr("fmt", "--check", pack).code == 1
    assert ftr("fmt", pack).code == 2
    folder, packed = ftr("evaluate", "run", "--json"), ftr("evaluate", pack, "--json")
    assert folder == packed
    assert ftr("evaluate", pack, "--data-root", "home", "--json") == folder
    assert ftr("predict", pack, photos / "test/red", "--csv") == ftr("predict", "run", photos / "test/red", "--csv")
    assert ftr("export", pack, "--out", "exported/model").code == 0
    assert pack in ftr("runs", pack, "--json").out
    assert ftr("run", pack, "--out", "second", "--quiet").code == 0
    assert (tmp_path / "second/model.params").read_bytes() == (tmp_path / "run/model.params").read_bytes()
    assert ftr("unpack", pack).out == "é 'x'\n"
    assert finished.load(Path("é 'x'")).data.target.names == finished.load(Path(pack)).data.target.names


def test_problems_inside_are_told_as_the_packs(tmp_path: Path, pack: Path) -> None:
    problem = problem_of(lambda: finished.load(pack))  # its weights are those of another network
    assert f"`{pack / 'model.params'}`" in problem.message()
    light = pack_run(tmp_path / "runs/flowers-1", tmp_path / "light.ftrpack", weights=False)[0]
    assert problem_of(lambda: finished.load(light)).message().startswith(f"{light} is not a finished run: it has no")
    with opened(pack) as folder:
        assert folder.is_dir()
    assert not folder.exists()


# --- hostile packs ----------------------------------------------------------------------------

Entries = list[tuple[zipfile.ZipInfo, bytes]]


def added(name: str, content: bytes = b"evil", mode: int = 0o644) -> Callable[[Entries], None]:
    """Return a change that puts an entry in."""

    def change(entries: Entries) -> None:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        entries.append((info, content))

    return change


def altered(name: str, content: bytes | None = None, **fields: int) -> Callable[[Entries], None]:
    """Return a change of one entry."""

    def change(entries: Entries) -> None:
        for at, (info, old) in enumerate(entries):
            if info.filename == name:
                for field, value in fields.items():
                    setattr(info, field, value)
                entries[at] = (info, old if content is None else content)

    return change


HOSTILE = {
    "a path that escapes": (added("../evil"), "E571"),
    "an absolute path": (added("/tmp/evil"), "E571"),
    "a folder": (added("inner/recipe.ftr"), "E571"),
    "a pickle": (added("model.pkl", b"\x80\x04K\x01."), "E571"),
    "another case": (added("RECIPE.FTR"), "E571"),
    "a name twice": (added("recipe.ftr", RECIPE.encode()), "E571"),
    "a name with an end inside": (added("curves.png\0.exe"), "E571"),
    "a link": (altered("recipe.ftr", b"/etc/passwd", external_attr=0o120777 << 16), "E571"),
    "a bomb": (altered("metrics.jsonl", b" " * 3_000_000, compress_type=zipfile.ZIP_DEFLATED), "E571"),
    "a recipe without end": (altered("recipe.ftr", b"#" * 1_000_001), "E571"),
    "a pickle as weights": (altered("model.params", b"\x80\x02}q\x00."), "E571"),
    "no weights": (altered("model.params", b""), "E571"),
    "a page as a picture": (altered("curves.png", b"<script>"), "E571"),
    "no text": (altered("classes.json", b'["caf\xe9"]'), "E571"),
    "half a character": (altered("classes.json", b'["caf\xc3'), "E571"),
    "no recipe": (lambda entries: entries.__delitem__(slice(5, 7)), "E570"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_packs_are_refused_before_anything_is_written(pack: Path, tmp_path: Path, name: str) -> None:
    change, code = HOSTILE[name]
    rewrite(pack, change)
    before = sorted(tmp_path.rglob("*"))
    assert problem_of(lambda: unpack(pack, tmp_path / "out")).code == code
    assert problem_of(lambda: finished.load(pack)).code == code
    assert sorted(tmp_path.rglob("*")) == before


def lied(data: bytes, signature: bytes, offset: int, form: str, value: int) -> bytes:
    """Return an archive in which a number behind a signature says something else."""
    at = data.rindex(signature) + offset
    return data[:at] + struct.pack(form, value) + data[at + struct.calcsize(form) :]


LIES = {
    "cut off": lambda data: data[:-1],
    "half": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "text after it": lambda data: data + b"\n",
    "text before it": lambda data: b"#!/bin/sh\n" + data,
    "a flipped bit of the weights": lambda data: data.replace(struct.pack("<f", 5.0), struct.pack("<f", 5.5)),
    "a size in the directory": lambda data: lied(data, b"PK\x01\x02", 24, "<I", 2**31),
    "both sizes in the directory": lambda data: lied(data, b"PK\x01\x02", 20, "<Q", 0x7000_0000_7000_0000),
    "a place in the directory": lambda data: lied(data, b"PK\x01\x02", 42, "<I", 0),
    "the number of entries": lambda data: lied(data, b"PK\x05\x06", 8, "<I", 0xFFFFFFFF),
    "the directory's length": lambda data: lied(data, b"PK\x05\x06", 12, "<I", 0xFFFFFFFF),
    "a name in front of the content": lambda data: data.replace(b"README.md", b"../../evi", 1),
    "another program's archive": lambda data: _zipped(),
}


def _zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("recipe.ftr", RECIPE)
    return out.getvalue()


@pytest.mark.parametrize("name", LIES)
def test_archives_that_lie_are_refused(pack: Path, tmp_path: Path, name: str) -> None:
    pack.write_bytes(LIES[name](pack.read_bytes()))
    assert problem_of(lambda: unpack(pack, tmp_path / "out")).code in ("E570", "E571")
    assert not (tmp_path / "out").exists()


def test_entries_that_share_bytes_are_refused(tmp_path: Path, pack: Path) -> None:
    with zipfile.ZipFile(pack) as archive:
        entries = archive.infolist()
    data = bytearray(pack.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, at + 42, entries[-2].header_offset)
    pack.write_bytes(data)
    assert problem_of(lambda: unpack(pack, tmp_path / "out")).code == "E570"


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.ftrpack")
    assert not is_pack(tmp_path / "pipe.ftrpack")
    for path in (tmp_path / "pipe.ftrpack", tmp_path / "nowhere.ftrpack", tmp_path):
        assert problem_of(lambda path=path: unpack(path, tmp_path / "out")).code == "E570"  # type: ignore[misc]


def test_a_full_disk_leaves_nothing(pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()

    def full(self: object, name: str) -> object:
        if name == "plan.json":
            raise OSError(28, "No space left on device")
        return iter([b"x"])

    with open_pack(pack) as found:
        monkeypatch.setattr("runtime.runs.pack.file.Pack.chunks", full)
        with pytest.raises(OSError, match="No space"):
            found.extract(tmp_path / "out")
    assert os.listdir(tmp_path / "out") == []
    monkeypatch.undo()
    with pytest.raises(FileNotFoundError):
        write_pack(tmp_path / "b.ftrpack", {"recipe.ftr": tmp_path / "nowhere"})
    assert not [name for name in os.listdir(tmp_path) if "b.ftrpack" in name]


# --- the card ---------------------------------------------------------------------------------


def card_of(run: Path, **options: str) -> tuple[dict[str, object], str]:
    """Return the front matter and the text of a run's card."""
    path = pack_run(run, run.parent / "card.ftrpack", **options)[0]  # type: ignore[arg-type]
    with open_pack(path) as pack:
        _, front, text = pack.read("README.md").decode().split("---\n", 2)
    return yaml.safe_load(front), text


def test_the_card_says_what_the_hub_and_people_want_to_know(tmp_path: Path) -> None:
    front, text = card_of(make_run(tmp_path / "run"), licence="apache-2.0")
    assert front["license"] == "apache-2.0"
    assert front["pipeline_tag"] == "image-classification"
    for words in (
        "Roses and tulips.",
        "1. rose\n2. tulip\n",
        '| train | folder(path = "photos/train") | 1,800 |',
        "| valid | holdout(share = 0.2) of photos/train | 90 |",
        "Fine-tuned on the data set photos/train,",
        "- licence of `folder`: not stated here",
        "| test | 0.8750 |",
        "The claim `test.accuracy >= 0.8` holds: 0.8750.",
        "--set lr=0.02 --data-root FOLDER",
        RECIPE,
    ):
        assert words in text


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("solar_cells", "solar_cells"),
        ('folder("flowers")', "flowers"),
        ('folder("/home/me/flowers")', "flowers"),
        ('csv("labels.csv", image = "file", label = "class", root = "photos")', "labels.csv"),
    ],
)
def test_the_card_names_the_data_set_of_a_holdout(tmp_path: Path, source: str, name: str) -> None:
    text = RECIPE.replace('folder("photos/train")', source).replace('folder("photos/test")', "holdout(30%)")
    front, body = card_of(make_run(tmp_path / "run", text=text))
    (index,) = front["model-index"]  # type: ignore[attr-defined]
    assert {each["dataset"]["name"] for each in index["results"]} == {name}
    assert f"| test | holdout(share = 0.3) of {name.replace('_', chr(92) + '_')} |" in body


@pytest.mark.parametrize("classes", [5, 6])
def test_the_card_says_top5_of_more_than_five_classes(tmp_path: Path, classes: int) -> None:
    names = tuple("abcdef"[:classes])
    front, body = card_of(make_run(tmp_path / "run", names, test={**report(0.875, names), "top5": 1.0}))
    assert ("top5" in json.dumps(front), "top5" in body) == (classes > 5, classes > 5)


def test_a_card_that_fails_costs_no_pack(tmp_path: Path) -> None:
    def fail(card: object) -> str:
        raise ValueError(f"no\ncard{str(card)[:0]}")

    path, notes = pack_run(make_run(tmp_path / "run"), tmp_path / "a.ftrpack", card_text=fail)
    assert notes == ["the pack has no model card: ValueError: no card"]
    with open_pack(path) as pack:
        assert "README.md" not in pack.names
        assert "model.params" in pack.names


def test_no_pack_tells_which_images_a_run_has_seen(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run / "images.json").write_text('{"train": ["0123456789abcdef"], "valid": []}')
    with open_pack(pack_run(run, tmp_path / "a.ftrpack")[0]) as pack:
        assert "images.json" not in pack.names


def test_where_skipped_images_lay_is_nobody_s_business_and_advice_is(tmp_path: Path) -> None:
    said = {"skipped_images": [["/home/me/photos/7.jpg", "it is empty"], 3, []], "advice": [["W760", "1 image of `a`"]]}
    path = pack_run(make_run(tmp_path / "run", **said), tmp_path / "a.ftrpack")[0]
    assert b"/home/me" not in path.read_bytes()
    with open_pack(path) as pack:
        assert json.loads(pack.read("result.json"))["skipped_images"] == [["7.jpg", "it is empty"]]
        assert "Take these numbers with care: 1 image of \\`a\\`." in pack.read("README.md").decode()


def test_a_run_that_has_not_ended_is_packed_and_said_to_be_one(tmp_path: Path) -> None:
    _, notes = pack_run(make_run(tmp_path / "run", status="interrupted"), tmp_path / "a.ftrpack")
    assert notes == ["the run is not finished but interrupted; its card says so"]


def test_the_hub_reads_the_card(tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    path = pack_run(make_run(tmp_path / "run"), tmp_path / "a.ftrpack")[0]
    with open_pack(path) as pack:
        card = hub.ModelCard(pack.read("README.md").decode())
    assert card.data.license == "unknown"
    found = {(each.dataset_split, each.metric_type): each.metric_value for each in card.data.eval_results}
    assert found["test", "accuracy"] == 0.875
    assert found["valid", "loss"] == 0.25


def test_foreign_text_has_no_effect_in_the_card(tmp_path: Path) -> None:
    names = (
        "<script>alert(1)</script>",
        "a | b",
        "---\nlicense: mit",
        "[x](http://evil.example)",
        "`code` *bold* ![i](x)",
        "\x1b[31mred\u202e",
        "https://evil.example www.evil.example",
        'quote " and \\',
        "x" * 5000,
        "rot\udce9",
    )
    text = RECIPE.replace("Roses and tulips.", "# Not a heading\\n---\\n<img src=x>").replace("ftr 1", "ftr 1  # ````")
    front, body = card_of(make_run(tmp_path / "run", names, text, recipe="a: [b\n---", hash="`x`", status=["<b>"]))
    assert set(front) == {"library_name", "pipeline_tag", "license", "tags", "metrics", "model-index"}
    prose, fence, rest = body.partition("`````text\n")
    assert fence
    assert rest.partition("\n`````\n")[0].startswith("ftr 1  # ````")
    assert not re.search(
        r"(?<!\\)[<>]|(?<!\\)\]\(|(?<!\\)!\[|(?<!\\)://|(?i:www)\.|\x1b|\u202e", re.sub("`[^`]+`", "", prose)
    )
    assert "\n---" not in prose
    assert max(map(len, prose.splitlines())) < 1000


@pytest.mark.parametrize(
    "changed",
    [
        {"test": None, "valid": None},
        {"test": 3, "valid": {"accuracy": "high"}, "images": [], "expect": 1, "settings": [], "versions": None},
        {"test": {"accuracy": float("nan"), "loss": float("inf")}, "expect": [None, {"claim": 1}], "status": None},
        {"recipe": None, "hash": 3, "test": report(True, ())},
    ],
)
def test_odd_results_make_a_card_all_the_same(tmp_path: Path, changed: dict[str, object]) -> None:
    front, text = card_of(make_run(tmp_path / "run", **changed))
    assert "## How to run" in text
    assert "nan" not in str(front).lower()


def test_help_names_the_commands() -> None:
    shown = CliRunner().invoke(app, ["--help"]).output
    assert all(re.search(rf"^  {name} ", shown, re.MULTILINE) for name in ("pack", "unpack", "push", "pull"))
