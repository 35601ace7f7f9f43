"""Where commands write: `--out`, or `-o`, for all; an ending chooses the format, a folder gets a file in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from command import Ftr
from toy import write_recipe

from runtime.cli import app


def commands(group: click.Group, above: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        each = group.get_command(context, name)
        assert each is not None
        if isinstance(each, click.Group):
            yield from commands(each, f"{above}{name} ")
        else:
            yield above + name, each


def test_the_option_is_the_same_for_all_commands() -> None:
    outs = {name: option.opts for name, each in commands(app) for option in each.params if "--out" in option.opts}
    assert outs == dict.fromkeys(outs, ["--out", "-o"])
    assert set(outs) >= {"run", "verify", "export", "pack", "unpack", "pull", "new", "data show", "weights convert"}


@pytest.mark.parametrize(
    ("given", "files"),
    [
        ("net", {"net-symbol.json", "net-0000.params", "net-0000.params.json"}),
        ("net.safetensors", {"net.safetensors", "net.safetensors.json"}),
        ("net-symbol.json", {"net-symbol.json", "net-0000.params", "net-0000.params.json"}),
        (".", {"model-symbol.json", "model-0000.params", "model-0000.params.json"}),
    ],
)
def test_the_ending_of_an_export_chooses_its_format(
    ftr: Ftr, trained: Path, tmp_path: Path, given: str, files: set[str]
) -> None:
    assert ftr("export", trained, "-o", tmp_path / given).code == 0
    assert {path.name for path in tmp_path.iterdir()} == files


def test_an_ending_that_is_not_the_formats_is_refused(ftr: Ftr, trained: Path, tmp_path: Path) -> None:
    code, _, err = ftr("export", trained, "--format", "safetensors", "--out", tmp_path / "net.onnx")
    assert code == 2
    assert "net.onnx is the name of a file of onnx, not of safetensors" in err
    assert not list(tmp_path.iterdir())


def test_a_folder_gets_the_file(ftr: Ftr, trained: Path, photos: Path, tmp_path: Path) -> None:
    assert ftr("pack", trained, "-o", tmp_path).code == 0
    assert (tmp_path / f"{trained.name}.ftrpack").is_file()
    assert ftr("new", photos / "train", "-o", tmp_path).code == 0
    assert [path.suffix for path in tmp_path.iterdir()].count(".ftr") == 1
    code, _, err = ftr("pack", trained, "-o", f"{tmp_path}/none/")
    assert code == 2
    assert "there is no folder" in err


def test_a_run_takes_the_short_option(ftr: Ftr, photos: Path, tmp_path: Path) -> None:
    assert ftr("run", write_recipe(tmp_path / "r.ftr", photos), "-o", tmp_path / "run", "--quiet").code == 0
    assert (tmp_path / "run/result.json").is_file()
