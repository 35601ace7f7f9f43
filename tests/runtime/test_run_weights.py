"""The weights that a run begins with: from files, and from the zoos' hosts."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest
import requests
from toy import STAGE, TINY, train, write_recipe
from whole_runs import LINE_OF_VALID, line_of, problems_of

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from runtime.backend.mx import mx
from runtime.compile.weights_advice import with_weights_advice
from runtime.models import zoo as families
from runtime.models.weights_sources import source_of
from runtime.plan.types import Component
from runtime.vocabulary import VOCABULARY
from runtime.weights import hosted as hosted_weights
from runtime.weights.params_file import read_params, write_params
from runtime.workflows.preparation import prepare


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    net = families.build("gluoncv", "cifar_resnet20_v1")
    net.initialize(mx.init.Uniform(0.3))
    net(mx.nd.zeros((1, 3, 32, 32)))
    path = tmp_path_factory.mktemp("weights") / "net.params"
    net.save_parameters(str(path))
    return path


def _from_file(path: Path, sha256: str) -> str:
    return TINY.replace("none", f'gluon_params("{path}", sha256 = "{sha256}")')


def test_weights_come_from_a_file_with_the_right_sum(photos: Path, saved: Path, tmp_path: Path) -> None:
    base = _from_file(saved, hashlib.sha256(saved.read_bytes()).hexdigest()[:16])
    train(write_recipe(tmp_path / "r.ftr", photos, base=base), tmp_path / "run")
    trained, file = read_params(tmp_path / "run/model.params"), read_params(saved)
    frozen = sorted(array.tobytes() for name, array in trained.items() if name.startswith("base"))
    assert frozen == sorted(array.tobytes() for name, array in file.items() if "output" not in name)


def test_a_wrong_sum_has_its_place(photos: Path, saved: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, base=_from_file(saved, "0123456789abcdef"))
    (problem,) = problems_of(recipe, tmp_path / "run")
    assert problem.code == "E526"
    assert problem.span is not None
    assert problem.span.line == next(
        number for number, line in enumerate(recipe.read_text().splitlines(), 1) if line.startswith("base")
    )
    assert not (tmp_path / "run").exists()


def test_weights_of_another_network_do_not_fit(photos: Path, saved: Path, tmp_path: Path) -> None:
    arrays = read_params(saved)
    arrays.pop(next(iter(arrays)))
    write_params(tmp_path / "less.params", arrays)
    base = TINY.replace("none", f'gluon_params("{tmp_path / "less.params"}")')
    (problem,) = problems_of(write_recipe(tmp_path / "r.ftr", photos, base=base), tmp_path / "run")
    assert problem.code == "E527"
    assert "1 missing" in problem.message()


def test_hosted_weights_without_a_network_fail_at_once(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise requests.ConnectionError("no route to host")

    monkeypatch.setattr(requests, "get", offline)
    monkeypatch.setattr(requests, "head", offline)
    monkeypatch.setenv("MXNET_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    started = time.monotonic()
    recipe = write_recipe(tmp_path / "r.ftr", photos, base=TINY.replace("none", "imagenet"))
    (problem,) = problems_of(recipe, tmp_path / "run")
    assert time.monotonic() - started < 40  # `requests` would be asked for minutes
    assert problem.code == "E540"
    assert line_of(problem) > LINE_OF_VALID
    assert "gluon_params" in problem.help()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("weights", "code"),
    [("imagenet", "E540"), ('gluon_params("no.params")', "E520"), ("gluon_params({saved})", "E526")],
)
def test_weights_that_cannot_be_had_are_refused_before_anything_is_done(
    weights: str, code: str, photos: Path, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def gone(url: str, **_: object) -> requests.Response:
        asked.append(url)
        answer = requests.Response()
        answer.status_code, answer.reason, answer.url = 403, "Forbidden", url
        return answer

    def built(*_: object) -> None:
        raise AssertionError("a network is built for nothing")

    monkeypatch.setattr(requests, "head", gone)
    monkeypatch.setenv("MXNET_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("runtime.workflows.preparation.build_model", built)
    weights = weights.format(saved=f'"{saved}", sha256 = "{"0" * 8}"')
    recipe = write_recipe(tmp_path / "r.ftr", photos, base=TINY.replace("none", weights))
    with pytest.raises(RecipeError) as caught:
        prepare(recipe)
    (problem,) = caught.value.problems
    assert (problem.code, line_of(problem) > LINE_OF_VALID) == (code, True)
    assert [url.rpartition("/")[2][:17] for url in asked] == ["cifar_resnet20_v1"] * (code == "E540")
    assert code != "E540" or (" is not there, and " in problem.message() and "says 403 Forbidden" in problem.message())
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(("home", "folder"), [("~/zoo", "zoo/models"), (None, ".mxnet/models"), ("", "models")])
def test_the_lock_has_hosted_weights_where_the_zoos_keep_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str | None, folder: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MXNET_HOME", raising=False)
    if home is not None:
        monkeypatch.setenv("MXNET_HOME", home)
    base = Component("gluoncv", {"name": "cifar_resnet20_v1", "weights": Component("imagenet", {})})
    _, path = source_of(base.args["weights"]).provenance(base)
    assert path is not None
    assert path.parent.absolute() == tmp_path / folder


def test_weights_in_the_zoos_cache_are_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MXNET_HOME", str(tmp_path))
    monkeypatch.delenv("MXNET_GLUON_REPO", raising=False)
    monkeypatch.setattr(requests, "head", lambda *_, **__: pytest.fail("the host was asked"))
    recipe = Source(
        "r.ftr", f"ftr 1\ndata {{\n  train = digits\n}}\nbase = {TINY.replace('none', 'imagenet')}\n{STAGE}"
    )
    checked = check(parse(recipe), VOCABULARY)
    assert [problem.code for problem in with_weights_advice(checked)] == ["W750"]
    digest = hashlib.sha1(b"weights").hexdigest()
    monkeypatch.setitem(hosted_weights._store("gluoncv")._model_sha1, "cifar_resnet20_v1", digest)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / f"cifar_resnet20_v1-{digest[:8]}.params").write_bytes(b"weights")
    hosted_weights.check_hosted("gluoncv", "cifar_resnet20_v1")
    assert with_weights_advice(checked) == ()


@pytest.mark.parametrize(
    ("name", "weights", "prepare_by", "told"),
    [
        ("deit_tiny_patch16_224.fb_in1k", 'safetensors("net.safetensors")', "", ["W774"]),
        ("vit_tiny_patch16_224.augreg_in21k_ft_in1k", 'torch("net.pth")', "", ["W774"]),
        ("deit_tiny_patch16_224.fb_in1k", 'torch("net.pth")', "mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5]", []),
        ("deit_tiny_patch16_224.fb_in1k", "none", "", []),
        ("regnety_004.pycls_in1k", 'torch("net.pth")', "", []),
    ],
)
def test_a_file_that_may_be_of_a_base_that_normalizes_otherwise(
    name: str, weights: str, prepare_by: str, told: list[str]
) -> None:
    steps = f"  prepare = [resize(248px), center_crop, normalize({prepare_by})]\n" if prepare_by else ""
    text = f'ftr 1\ndata {{\n  train = digits\n{steps}}}\nbase = timm("{name}", weights = {weights})\n{STAGE}'
    advice = with_weights_advice(check(parse(Source("r.ftr", text)), VOCABULARY))
    assert [each.code for each in advice if each.code == "W774"] == told
    other = {"deit": "`vit_tiny", "vit_": "`deit_tiny"}.get(name[:4], "")
    for each in advice if told else ():
        assert f"as for `{name}`" in each.message()
        assert other in each.message()
