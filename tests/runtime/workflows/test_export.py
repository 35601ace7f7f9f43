"""`ftr export` to ONNX and safetensors, its check, and what `ftr verify` says of the files."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from command import Ftr
from odd_images import odd_images
from toy import STAGE, train, write_recipe

from runtime.backend.mx import mx
from runtime.data.images import open_rgb
from runtime.export.safetensors import encoded, foreign_names
from runtime.export.session import session
from runtime.models.heads import head_block
from runtime.models.network import build_model, start_weights
from runtime.models.packaged import packaged_file
from runtime.plan.size import Size
from runtime.plan.types import Component
from runtime.runs import trained as finished
from runtime.tasks.catalog import TASKS
from runtime.weights.torch_file import read_torch_file

LITE = 'packaged("efficientnet_lite0")'


@pytest.fixture(scope="module")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("exported")
    stage = STAGE.replace("1 epoch", "4 epochs\n  optimizer = adam(lr = 1e-2)")
    train(write_recipe(root / "colours.ftr", photos, stage, base=LITE, data="  size = 48px"), root / "run")
    return root / "run"


def read(path: Path) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, str]]:
    """Read a safetensors file as its specification says."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    metadata = header.pop("__metadata__")
    begin = 8 + length
    arrays = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32"
        first, last = (begin + offset for offset in entry["data_offsets"])
        arrays[name] = np.frombuffer(content[first:last], "<f4").reshape(entry["shape"])
    assert max(entry["data_offsets"][1] for entry in header.values()) == len(content) - begin
    return arrays, metadata


@pytest.mark.parametrize("raw", [False, True])
def test_a_graph_answers_as_predict_does(raw: bool, ftr: Ftr, trained: Path, photos: Path, tmp_path: Path) -> None:
    code, out, err = ftr("export", trained, "--format", "onnx", "--out", tmp_path / "net.onnx", *["--raw"] * raw)
    assert (code, err) == (0, "")
    assert "100% of answers the same on 24 images of test" in out
    assert ("input `data`" if raw else "input `image`") in out
    image = photos / "test/red/0.jpg"
    loaded = finished.load(trained)
    (prediction,) = finished.predict(loaded, [image], mx.cpu())
    answer = session((tmp_path / "net.onnx").read_bytes())
    if raw:
        from runtime.data.decoded import opening
        from runtime.data.sets import to_input

        pixels = np.asarray(opening(loaded.data.prepare, None, False)(image))[None]
        given = to_input(pixels, loaded.data.mean, loaded.data.std, mx.cpu()).asnumpy()
    else:
        given = np.asarray(open_rgb(image))[None]
    for batch in (given, np.concatenate([given] * 3)):
        shares = dict(zip(loaded.data.target.names, answer(batch)[-1], strict=True))
        assert shares == pytest.approx(dict(prediction.classes), abs=1e-4)
    metadata = {each.key: each.value for each in onnx.load(tmp_path / "net.onnx").metadata_props}
    assert json.loads(metadata["names"]) == ["blue", "green", "red"]
    beside = json.loads((tmp_path / "net.onnx.json").read_text())
    assert beside["output"]["names"] == ["blue", "green", "red"]
    assert beside["check"]["images"] == 24
    if raw:
        assert [step["name"] for step in beside["input"]["prepare"]] == ["resize", "center_crop"]


def test_odd_images_are_answered_as_by_predict(ftr: Ftr, trained: Path, tmp_path: Path) -> None:
    assert ftr("export", trained, "--format", "onnx", "--out", tmp_path / "net").code == 0
    answer = session((tmp_path / "net.onnx").read_bytes())
    (tmp_path / "odd").mkdir()
    files = odd_images(tmp_path / "odd", 50)
    loaded = finished.load(trained)
    names = loaded.data.target.names
    apart = []
    for prediction in finished.predict(loaded, files, mx.cpu()):
        assert not prediction.error
        (shares,) = answer(np.asarray(open_rgb(Path(prediction.image)))[None])
        assert prediction.classes[0][0] == names[int(shares.argmax())], prediction.image
        expected = dict(prediction.classes)
        apart.append(max(abs(expected[name] - share) for name, share in zip(names, shares, strict=True)))
    assert max(apart) < 5e-3  # small images, a steep head: one level of a pixel shows
    assert np.mean(np.array(apart) < 1e-3) >= 0.9


def test_verify_knows_what_was_exported(ftr: Ftr, trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    assert ftr("export", run, "--format", "onnx", "--out", tmp_path / "net").code == 0
    (tmp_path / "net.onnx").rename(tmp_path / "renamed.onnx")
    told = ftr("verify", tmp_path / "renamed.onnx", "--run", run)
    assert told.code == 0
    assert "identical" in told.out
    assert "of answers the same" in told.out
    pack = tmp_path / "run.ftrpack"
    assert ftr("pack", run, "-o", pack).code == 0
    assert ftr("verify", tmp_path / "renamed.onnx", "--run", pack).code == 0
    assert "of answers the same" in ftr("unpack", pack, "-o", tmp_path / "again").out + (
        tmp_path / "again/README.md"
    ).read_text().replace("\\", "")
    (tmp_path / "renamed.onnx").write_bytes((tmp_path / "renamed.onnx").read_bytes()[:-1])
    told = ftr("verify", tmp_path / "renamed.onnx", "--run", run)
    assert told.code == 1
    assert "error[E649]" in told.err
    assert ftr("verify", tmp_path / "renamed.onnx").code == 2


def test_a_graph_that_answers_otherwise_is_not_written(
    ftr: Ftr, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "runtime.workflows.export_check.session", lambda content: lambda given: np.array([[0.2, 0.3, 0.5]])
    )
    told = ftr("export", trained, "--format", "onnx", "--out", tmp_path / "net")
    assert told.code == 1
    assert "error[E648]" in told.err
    assert list(tmp_path.iterdir()) == []
    told = ftr("export", trained, "--format", "onnx", "--out", tmp_path / "net", "--unchecked")
    assert told.code == 0
    assert "not checked, as asked" in told.out


def test_options_of_onnx_are_for_onnx(ftr: Ftr, trained: Path) -> None:
    assert "--raw, --precision and --unchecked are for --format onnx" in ftr("export", trained, "--raw").err


def test_safetensors_hold_the_whole_model(ftr: Ftr, trained: Path, tmp_path: Path) -> None:
    assert ftr("export", trained, "--format", "safetensors", "--out", tmp_path / "net").code == 0
    arrays, metadata = read(tmp_path / "net.safetensors")
    mine = finished.load(trained).model.arrays()
    assert sorted(each.tobytes() for each in arrays.values()) == sorted(each.tobytes() for each in mine.values())
    assert json.loads(metadata["names"]) == ["blue", "green", "red"]
    assert arrays["_fc.weight"].shape == (3, 1280)


@pytest.mark.parametrize("name", ["efficientnet_lite0"])
def test_names_of_the_packaged_file_come_back_bit_for_bit(name: str, tmp_path: Path) -> None:
    base = Component("packaged", {"name": name, "weights": Component("packaged", {})})
    layers = [Component("dense", {"units": 5})]
    model = build_model(base, layers, Size.square(32), lambda cut, given: head_block(cut, given, {}))
    start_weights(model, base, 1, mx.cpu())
    names = foreign_names(model, base)
    (tmp_path / "m.safetensors").write_bytes(encoded({names[k]: v for k, v in model.arrays().items()}, {}))
    found, _ = read(tmp_path / "m.safetensors")
    expected = {key: v for key, v in read_torch_file(packaged_file(name)).arrays.items() if "num_batches" not in key}
    assert set(found) == set(expected)
    for key in expected.keys() - {"_fc.weight", "_fc.bias"}:
        assert found[key].tobytes() == np.asarray(expected[key], np.float32).tobytes(), key


def test_names_of_timm_come_back(tmp_path: Path) -> None:
    base = Component("timm", {"name": "regnety_004.pycls_in1k", "weights": None})
    for layers, classifier in (
        ([Component("dense", {"units": 5})], "head.fc.weight"),
        ([Component("dense", {"units": 9}), Component("dense", {"units": 5})], None),
    ):
        model = build_model(base, layers, Size.square(32), lambda cut, given: head_block(cut, given, {}))
        names = set(foreign_names(model, base).values())
        assert {"stem.conv.weight", "s1.b1.conv1.bn.running_mean"} <= names
        assert (classifier in names) if classifier else not any("fc." in each and "head" in each for each in names)
    assert TASKS


def test_numbers_are_compared_in_standard_deviations() -> None:
    from runtime.tasks.regression.network import Prediction
    from runtime.tasks.regression.targets import NumberFacts

    task = TASKS["regression"]
    facts = NumberFacts.__new__(NumberFacts)
    object.__setattr__(facts, "target_std", (10.0,))
    near = task.agreement(Prediction("", (("red", 100.0),)), np.array([100.005], np.float32), facts, 1e-3)
    far = task.agreement(Prediction("", (("red", 100.0),)), np.array([101.0], np.float32), facts, 1e-3)
    assert (near.same, far.same) == (True, False)
    assert far.difference == pytest.approx(0.1)
