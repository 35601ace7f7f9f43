"""What is said where data, weights or words are not as they should be: the place is told, and what helps."""

from __future__ import annotations

import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from listed import problem_of

from recipe_lang.problem import RecipeError
from runtime.data.sources.idx_files import mnist
from runtime.data.sources.shards import Wanted, webdataset
from runtime.runs.folder import write_text, writing
from runtime.runs.trained import load
from runtime.system.files import replace_file, whole_file
from runtime.vocabulary import VOCABULARY
from runtime.weights.params_file import read_params
from runtime.weights.safetensors_file import write_safetensors
from runtime.weights.torch_file import read_torch_file
from runtime.workflows.weights import inspect


def test_a_folder_without_idx_files_is_told_what_they_are_called(tmp_path: Path) -> None:
    found = problem_of(mnist, tmp_path, "train")
    assert (found.code, "train-images-idx3-ubyte.gz" in found.message()) == ("E537", True)


@pytest.mark.parametrize(("other", "said"), [("json", '`label = "json"`'), ("", "it has an image alone")])
def test_a_sample_without_a_label_is_told_which_members_there_are(tmp_path: Path, other: str, said: str) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as shard:
        for ending in filter(None, ("jpg", other)):
            (tmp_path / "0").write_text("x")
            shard.add(tmp_path / "0", f"0.{ending}")
    assert said in problem_of(webdataset, tmp_path, Wanted(), None).help()


def test_weights_of_another_kind_are_told_their_reader(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "w.params", {"a": np.zeros(2, "f4")})
    found = problem_of(read_params, tmp_path / "w.params")
    assert (found.code, 'safetensors("…")' in found.help()) == ("E521", True)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("w.pth", b"<html>", "get the file again"),
        ("w.pth", b"\x89HDF\r\n", "name a `.params` file of MXNet"),
        ("w.pth", pickle.dumps({"a": 1}, 4), "save a file that holds a state dict only"),
        ("w.pth", pickle.dumps({"a": 1}, 2), "save a file that holds a state dict only"),
        ("w.ftrpack", b"PK\x03\x04" + bytes(40), 'base = pack("…")'),
    ],
)
def test_a_file_of_another_format_is_not_to_be_fetched_again(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(data)
    read = read_params if name == "w.ftrpack" else read_torch_file
    found = problem_of(read, tmp_path / name)
    assert (found.code, said in found.help()) == ("E521", True), found.help()


def test_a_file_that_cannot_be_written_is_told_by_its_own_name(tmp_path: Path) -> None:
    out = tmp_path / "missing" / "w.params"

    def whole() -> None:
        with writing(out), whole_file(out):
            pass

    def replaced() -> None:
        with writing(out):
            replace_file(out, [b"x"])

    for write in (whole, replaced):
        assert f"cannot write {out}:" in problem_of(write).message()


def test_a_run_that_is_not_there_is_told_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "flowers").mkdir()
    assert problem_of(load, tmp_path / "flwers").help() == f"did you mean `{tmp_path / 'flowers'}`?"


def test_a_word_that_is_none_is_told_the_words_and_the_calls() -> None:
    from recipe_lang.check.checker import check
    from recipe_lang.compose.load import parse
    from recipe_lang.source import Source

    text = 'ftr 1\ndata { train = digits }\nbase = packaged("efficientnet_lite0")\nhead = [dense(classes)]\n'
    stage = 'stage "a" {{ train = head\nfor = 1 epoch\nmonitor = valid.loss\nkeep = {} }}\n'
    with pytest.raises(RecipeError) as caught:
        check(parse(Source("a.ftr", text + stage.format("latest"))), VOCABULARY)
    assert caught.value.problems[0].help() in ("did you mean `last`?", "there is `best`, `last` or `greedy_soup`")


def test_inspect_says_which_weights_are_no_numbers(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "w.safetensors", {"a.weight": np.array([1, np.nan], "f4"), "b": np.zeros(2, "f4")})
    (said,) = (each for each in inspect(tmp_path / "w.safetensors").notes if "finite" in each)
    assert said == "`a.weight`: not all numbers are finite, and such weights are refused"


def test_nothing_takes_the_place_of_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.mkstemp", None)
    with whole_file(Path("/dev/null")) as file:
        file.write(b"x")


def test_of_a_link_the_file_is_written_that_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/page.html").touch()
    link = tmp_path / "page.html"
    link.symlink_to("kept/page.html")
    write_text(link, "new")
    assert (link.is_symlink(), (tmp_path / "kept/page.html").read_text()) == (True, "new")
