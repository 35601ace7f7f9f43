"""`ftr weights`: what a file holds, and the same weights in another format."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from runtime.cli import app
from runtime.commands.weights import _show
from runtime.models.packaged import packaged_file
from runtime.models.pytorch import built, infer
from runtime.models.torch_names import torch_names
from runtime.plan.size import Size
from runtime.weights.params_file import read_params
from runtime.weights.safetensors_file import read_safetensors, write_safetensors
from runtime.workflows.weights import FittingBase, Inspection


def squeezenet(path: Path) -> dict[str, np.ndarray]:
    """Write weights with the names of torchvision's squeezenet1_1, a head of five classes among them."""
    whole, cut = built("gluon", "squeezenet1.1", Size.square(64))
    infer(cut, Size.square(64))
    shapes = {name: each.shape for name, each in torch_names(whole, "squeezenet1.1").items() if 0 not in each.shape}
    arrays = {f"module.{name}": np.full(shape, n, "f4") for n, (name, shape) in enumerate(shapes.items())}
    arrays["module.classifier.1.weight"] = np.ones((5, 512, 1, 1), "f4")
    write_safetensors(path, arrays)
    return arrays


def test_inspect_and_convert(tmp_path: Path) -> None:
    file, out, again = (tmp_path / name for name in ("net.safetensors", "net.params", "again.safetensors"))
    arrays = squeezenet(file)
    shown = CliRunner().invoke(app, ["weights", "inspect", str(file), "--json"])
    (base,) = json.loads(shown.stdout)["bases"]
    assert (base["base"], base["classes"]) == ('gluon("squeezenet1.1")', 5)
    text = CliRunner().invoke(app, ["weights", "inspect", str(file)]).stdout
    assert "`module.` is taken off every name" in text
    assert "normalized with mean 0.485 0.456 0.406" in text
    for path in (out, again):
        done = CliRunner().invoke(app, ["weights", "convert", str(file), "--base", "squeezenet1.1", "-o", str(path)])
        assert done.exit_code == 0, done.output
    assert np.array_equal(read_params(out)["features.0.weight"], arrays["module.features.0.weight"])
    found = read_safetensors(again).arrays
    assert found.keys() == {name.removeprefix("module.") for name in arrays if "classifier" not in name}
    assert all(np.array_equal(array, arrays[f"module.{name}"]) for name, array in found.items())
    taken = CliRunner().invoke(app, ["weights", "convert", str(file), "--base", "squeezenet1.1", "-o", str(out)])
    assert taken.exit_code != 0
    unknown = CliRunner().invoke(app, ["weights", "convert", str(file), "--base", "squeezenet1.2", "-o", "x.params"])
    assert "squeezenet1.1" in unknown.stderr


def test_inspect_the_packaged_file() -> None:
    shown = CliRunner().invoke(app, ["weights", "inspect", str(packaged_file("efficientnet_lite0"))])
    assert 'fits packaged("efficientnet_lite0")' in shown.stdout


def test_bases_that_normalize_differently_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    halves, imagenet = ((0.5,) * 3,) * 2, ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    for other, is_said in ((imagenet, True), (halves, False)):
        bases = (FittingBase('timm("a")', 224, halves, 10), FittingBase('timm("b")', 224, other, 10))
        _show(Inspection(Path("net"), "PyTorch", 1, "0", 1, 1, {"float32": 1}, (), bases, searched=True))
        assert ("the file does not say how its own were" in " ".join(capsys.readouterr().out.split())) == is_said
