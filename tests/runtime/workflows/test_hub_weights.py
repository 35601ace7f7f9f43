"""Weights that others publish: fetched once from a hub of one's own or an address, kept, locked; and refused."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hub_server import TOKEN, Hub, running_hub
from paths import ROOT
from random_weights import random_weights
from toy import make_images

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from runtime.backend.mx import mx, nd
from runtime.compile.weights_advice import images_advice
from runtime.models import published as checkpoints
from runtime.models.catalog import BASES
from runtime.models.heads import head_block
from runtime.models.network import build_model, start_weights
from runtime.models.published import checkpoint
from runtime.models.pytorch import as_in_torch, built, infer
from runtime.models.timm.network import timm_names
from runtime.models.torch_names import PAIRS, torch_names
from runtime.models.weights_sources import published_file, source_of
from runtime.models.zoo import build
from runtime.plan.size import Size
from runtime.plan.types import Component
from runtime.reporting.model_card import card_text
from runtime.runs.pack.pack import pack_run
from runtime.vocabulary import VOCABULARY
from runtime.weights.fetched import ask, fetch
from runtime.weights.hub_config import read_config
from runtime.weights.params_file import sha256_of
from runtime.weights.published import PublishedFile, commit_of, local_file
from runtime.weights.safetensors_file import read_safetensors, write_safetensors
from runtime.workflows.kept_weights import kept_weights, remove_weights

pytest.importorskip("huggingface_hub")
Ftr = Callable[..., "subprocess.CompletedProcess[str]"]

NET = "squeezenet1.1"
CONFIG = {"pretrained_cfg": {"input_size": [3, 224, 224], "mean": [0.5, 0.25, 0.5], "std": [0.5, 0.5, 0.25]}}
_D, _VIT = (
    'gluoncv("resnet50_v1d", weights = hub("me/net"))',
    ('timm("vit_tiny_patch16_224.augreg_in21k_ft_in1k", weights = hub("me/net"))'),
)
RECIPE = """ftr 1
base = gluon("squeezenet1.1", weights = {weights})
data {{
  train = folder("photos")
  size = 32px
  batch = 4
}}
stage "head" {{
  train = head
  for = 1 epoch
}}
"""


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of random weights with torchvision's names."""
    net = as_in_torch(build("gluon", NET), NET)
    net.initialize()
    net(nd.zeros((1, 3, 224, 224)))
    shapes = {name: parameter.shape for name, parameter in torch_names(net, NET).items()}
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    write_safetensors(path, random_weights(shapes))
    return path


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as found:
        yield found


@pytest.fixture
def ftr(tmp_path: Path) -> Ftr:
    """Run a command in a process: the library reads its variables when it is imported."""
    make_images(tmp_path / "photos", {"blue": 8, "green": 8})

    def call(hub: Hub, *args: object, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "HF_ENDPOINT": hub.address,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_TOKEN": TOKEN,
            "HF_HUB_DISABLE_XET": "1",
            "FTR_CACHE": str(tmp_path / "cache"),
            **variables,
        }
        command = [sys.executable, "-m", "runtime", *map(str, args)]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=240)

    return call


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "name",
    [
        "mobilenetv4_conv_small.e2400_r224_in1k",
        pytest.param("vit_tiny_patch16_224.augreg_in21k_ft_in1k", marks=pytest.mark.long),
    ],
)
def test_weights_of_a_hub_are_fetched_once_and_locked(ftr: Ftr, name: str, tmp_path: Path) -> None:
    row = BASES["timm"][name]
    repository, weights, side = row.repository, tmp_path / "model.safetensors", 32
    whole, cut = built("timm", name, Size.square(row.native))
    infer(cut, Size.square(row.native))
    shapes = {each: parameter.shape for each, parameter in timm_names(whole).items()}
    write_safetensors(weights, random_weights({each: shape for each, shape in shapes.items() if 0 not in shape}))
    base = f'timm("{name}", weights = hub("{repository}"))'
    text = RECIPE.replace('gluon("squeezenet1.1", weights = {weights})', base).replace("32px", f"{side}px")
    (tmp_path / "r.ftr").write_text(text.replace("{{", "{").replace("}}", "}"))
    config = {"architecture": name.partition(".")[0], **CONFIG}
    files = {"model.safetensors": weights.read_bytes(), "config.json": json.dumps(config).encode()}
    with running_hub() as first:
        commit = first.commit(repository, files)
        assert ftr(first, "check", "r.ftr").returncode == 0
        planned = ftr(first, "plan", "r.ftr")
        assert f"({repository}, licence {row.licence}, " in " ".join(planned.stdout.split()), planned.stderr
        assert "advice[W776]" in planned.stderr + planned.stdout  # 32 pixels of 224
        fetched = ftr(first, "weights", "fetch", "r.ftr")
        assert fetched.returncode == 0, fetched.stderr
        assert commit in fetched.stdout
        assert [each for each in first.asked if each.startswith("GET") and each.endswith("model.safetensors")]
        first.asked.clear()
        ended = ftr(first, "run", "r.ftr", "--out", "run", "--quiet")
        assert ended.returncode == 0, ended.stderr
        assert first.asked == []  # it needs no network any more
    lock = (tmp_path / "run" / "recipe.ftr.lock").read_text()
    assert f'source = "hub {repository}, commit {commit}"' in lock
    assert f'sha256 = "{sha256(weights)}"' in lock
    assert f'licence = "{row.licence}"' in lock
    pack_run(tmp_path / "run", tmp_path / "run.ftrpack", card_text=card_text)
    with zipfile.ZipFile(tmp_path / "run.ftrpack") as pack:
        assert f"licence {row.licence}" in pack.read("README.md").decode()
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["base"]["mean"] == CONFIG["pretrained_cfg"]["mean"]
    assert result["base"]["std"] == CONFIG["pretrained_cfg"]["std"]
    other = files["model.safetensors"][:-1] + bytes([files["model.safetensors"][-1] ^ 1])
    with running_hub() as second:
        second.commit(repository, {**files, "model.safetensors": other})
        refused = ftr(second, "verify", "run", HF_HOME=str(tmp_path / "another"))
    assert refused.returncode == 1
    found = hashlib.sha256(other).hexdigest()
    assert f"`weights.sha256` is {found[:12]} now" in refused.stderr
    assert f"says {sha256(weights)[:12]}" in refused.stderr


def test_a_connection_that_is_cut_leaves_no_part_of_a_file_for_whole(
    ftr: Ftr, hub: Hub, weights: Path, tmp_path: Path
) -> None:
    (tmp_path / "r.ftr").write_text(RECIPE.format(weights='hub("me/net")'))
    content = weights.read_bytes()[:300_000]  # `fetch` looks at no more than its bytes
    hub.commit("me/net", {"model.safetensors": content})
    hub.breaks = 100_000
    first = ftr(hub, "weights", "fetch", "r.ftr")
    assert hub.breaks == 0
    kept = [each for each in (tmp_path / "hf").rglob("model.safetensors") if each.exists()]
    assert first.returncode == 0 or not kept  # it may try again itself
    assert "Traceback" not in first.stderr
    second = ftr(hub, "weights", "fetch", "r.ftr")
    assert second.returncode == 0, second.stderr
    (path,) = (tmp_path / "hf").rglob("model.safetensors")
    assert path.read_bytes() == content
    assert any(each.startswith("GET") for each in hub.asked)


def test_weights_in_several_files_are_fetched_and_hashed_together(
    ftr: Ftr, hub: Hub, weights: Path, tmp_path: Path
) -> None:
    (tmp_path / "r.ftr").write_text(RECIPE.format(weights='hub("me/net")'))
    arrays = dict(read_safetensors(weights).arrays)
    names = sorted(arrays)
    shards = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for shard, held in shards.items():
        write_safetensors(tmp_path / shard, {name: arrays[name] for name in held})
    places = {name: shard for shard, held in shards.items() for name in held}
    index = "model.safetensors.index.json"
    hub.commit("me/net", {index: json.dumps({"weight_map": places}).encode()})
    missing = ftr(hub, "weights", "fetch", "r.ftr")
    assert (missing.returncode, "error[E555]" in missing.stderr) == (2, True), missing.stderr
    hub.commit("me/net", {shard: (tmp_path / shard).read_bytes() for shard in shards})
    fetched = ftr(hub, "weights", "fetch", "r.ftr")
    assert fetched.returncode == 0, fetched.stderr
    hub.asked.clear()
    planned = ftr(hub, "plan", "r.ftr")
    assert planned.returncode == 0, planned.stderr
    assert not [each for each in hub.asked if "safetensors" in each]  # all of it is here
    path = Path(fetched.stdout.rpartition(": ")[2].strip())
    assert path.name == index
    assert read_safetensors(path).arrays.keys() == arrays.keys()
    before, shard_path = sha256_of(path), path.with_name("model-00002-of-00002.safetensors")
    content = shard_path.read_bytes()
    shard_path.unlink()
    shard_path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert sha256_of(path) != before


def test_a_plan_says_what_would_be_fetched_and_fetches_no_weights(
    ftr: Ftr, hub: Hub, weights: Path, tmp_path: Path
) -> None:
    (tmp_path / "r.ftr").write_text(RECIPE.format(weights='hub("me/net", revision = "v1")'))
    hub.commit("me/net", {"model.safetensors": weights.read_bytes()}, "v1")
    plan = ftr(hub, "plan", "r.ftr")
    assert plan.returncode == 0, plan.stderr
    assert "(me/net@v1, 5 MB to fetch)" in plan.stdout
    assert not [each for each in hub.asked if each.startswith("GET /me/net")]


def test_a_plan_refuses_what_a_hub_does_not_have(ftr: Ftr, hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "r.ftr").write_text(RECIPE.format(weights='hub("me/net")'))
    hub.commit("me/net", {"README.md": b"# nothing"})
    plan = ftr(hub, "plan", "r.ftr")
    assert plan.returncode == 2
    assert "error[E555]" in plan.stderr
    assert "it has no `model.safetensors` and no `pytorch_model.bin`" in plan.stderr
    assert "Traceback" not in plan.stderr


@pytest.mark.parametrize(
    ("base", "config", "data", "told"),
    [
        (_D, {"crop_pct": 0.875}, "", ["prepare = [resize(256px), center_crop]"]),
        (_D, {"crop_pct": 0.95, "input_size": [3, 288, 288]}, "", ["size = 288px", "resize(303px)"]),
        (
            _D,
            {"crop_pct": 0.875, "interpolation": "bilinear"},
            "size = [96px, 128px]",
            ["resize([109px, 146px], interpolation = bilinear)"],
        ),
        (_D, {"crop_pct": 0.875}, "prepare = [resize(224px), center_crop]", []),
        (_D, {"crop_pct": 0.875}, "prepare = [letterbox]", []),
        (_D, {"input_size": [3, 288, 288]}, "size = 96px", []),
        (_D, {"input_size": [3, 288, 288]}, "size = 95px", ["size = 288px"]),
        (_D, {"crop_pct": 1, "input_size": [3, 224, 224]}, "", []),
        (_D, {}, "", []),
        (_D, {"crop_pct": "all"}, "", []),  # the plan refuses it
        (_VIT, {"crop_pct": 0.9, "input_size": [3, 384, 384]}, "", ["size = 384px"]),
        (_VIT, {"crop_pct": 0.9, "input_size": [3, 225, 225]}, "", []),  # it takes no such size
        (_VIT.replace("me/net", "me/other"), {"crop_pct": 1}, "", []),  # not here yet
        (_VIT.replace('hub("me/net")', "imagenet"), {}, "", []),
        (_VIT.replace('hub("me/net")', "imagenet"), {}, "size = 64px", ["size = 224px"]),
    ],
)
def test_images_that_are_not_those_of_the_weights_are_advised_on(
    base: str, config: dict[str, Any], data: str, told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    commit, repository = "0" * 40, tmp_path / "models--me--net"
    (snapshot := repository / "snapshots" / commit).mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    (snapshot / "config.json").write_text(json.dumps({"architecture": "x", "pretrained_cfg": config}))
    data = f'data {{\n  train = folder("photos")\n  {data}\n}}'
    text = f'ftr 1\nbase = {base}\n{data}\nstage "a" {{\n  train = head\n  for = 1 epoch\n}}\n'
    advice = images_advice(check(parse(Source("r.ftr", text)), VOCABULARY))
    assert [problem.code for problem in advice] == ["W776"] * len(told)
    for problem, words in zip(advice, told, strict=True):
        assert words in problem.help()
        assert ("bilinear" in problem.message()) == ("interpolation" in config)


# --- at an address ---------------------------------------------------------------------------


class Host(http.server.BaseHTTPRequestHandler):
    """Serves one file; breaks off once where it is told to, and gives the rest of one."""

    content = b""
    breaks = 0
    ranges: list[str]

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.ranges.append(wanted)
        begin = int(wanted.removeprefix("bytes=").removesuffix("-") or 0)
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(self.content) - begin))
        self.end_headers()
        end = type(self).breaks or len(self.content)
        type(self).breaks = 0
        self.wfile.write(self.content[begin:end])


@pytest.fixture
def host(weights: Path) -> Iterator[tuple[str, type[Host]]]:
    handler = type("Handler", (Host,), {"content": weights.read_bytes(), "ranges": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/net.pth", handler
        server.shutdown()
        thread.join()


def test_a_download_goes_on_where_it_broke_off(
    host: tuple[str, type[Host]], weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    url, handler = host
    file = PublishedFile(url=url, sha256=sha256(weights)[:8])
    assert local_file(file) is None
    assert ask(file).size == weights.stat().st_size
    handler.breaks = 1_500_000
    with pytest.raises(RecipeError) as broken:
        fetch(file)
    assert broken.value.problems[0].code == "E555"
    assert local_file(file) is None
    path = fetch(file)
    assert handler.ranges[0] == ""
    assert handler.ranges[1].startswith("bytes=")
    assert path.read_bytes() == weights.read_bytes()
    assert path == local_file(file) == tmp_path / "hub" / "checkpoints" / "net.pth"
    assert os.listdir(path.parent) == ["net.pth"]
    fetch(file)
    assert len(handler.ranges) == 2


def test_other_bytes_than_those_of_the_checksum_are_not_kept(
    host: tuple[str, type[Host]], weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(RecipeError) as caught:
        fetch(PublishedFile(url=host[0], sha256="00000000"))
    (problem,) = caught.value.problems
    assert problem.code == "E526"
    assert "00000000" in problem.message()
    assert sha256(weights) in problem.message()
    assert not list(tmp_path.rglob("*.pth*"))


def test_a_zoos_weights_come_from_its_cache_first_and_then_from_the_checkpoint(
    host: tuple[str, type[Host]], weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("MXNET_HOME", str(tmp_path))
    monkeypatch.delenv("MXNET_GLUON_REPO", raising=False)
    row = {
        "url": host[0],
        "sha256": sha256(weights)[:8],
        "size": 1,
        "licence": "MIT",
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
    }
    monkeypatch.setattr(checkpoints, "_rows", lambda: {NET: row})
    base = Component("gluon", {"name": NET, "weights": Component("imagenet", {})})
    source = source_of(base.args["weights"])
    assert source.normalization(base) == ((0.5,) * 3, (0.5,) * 3)
    assert source.as_in_torch(base)
    source.check(base)

    head = partial(head_block, outputs={"classes": 2})
    model = build_model(base, [Component("dense", {"units": "classes"})], Size.square(32), head)
    start_weights(model, base, 0, mx.cpu())
    name = next(name for name in model.parameters if name.endswith("weight"))
    assert float(abs(model.parameters[name].data()).sum().asscalar()) > 0
    assert source.provenance(base) == (host[0], tmp_path / "hub" / "checkpoints" / "net.pth")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / f"{NET}-12345678.params").write_bytes(b"weights")
    assert published_file(base) is None
    assert not source.as_in_torch(base)
    names = {each.name for each in kept_weights()}
    assert {"net.pth", f"{NET}-12345678.params"} <= names
    remove_weights(["net.pth"])
    assert {each.name for each in kept_weights()} == names - {"net.pth"}


# --- what is known of files ------------------------------------------------------------------


def test_every_checkpoint_is_of_a_network_and_can_be_named() -> None:
    rows: dict[str, Any] = json.loads((ROOT / "runtime" / "models" / "published.json").read_text())
    assert set(rows) <= {name for names in BASES.values() for name in names}
    assert {name for name in rows if name not in BASES["timm"]} == set(PAIRS)  # what else would not load
    for name, row in rows.items():
        assert ("url" in row) != ("repository" in row), name
        assert "url" not in row or f"-{row['sha256']}." in row["url"], name
        assert row["licence"], name
        assert row["size"] > 1_000_000, name
    found = checkpoint("gluoncv", "resnet50_v1d")
    assert found is not None
    assert found.file.repository == "timm/resnet50d.gluon_in1k"
    assert checkpoint("gluoncv", "resnet50_v2") is None


@pytest.mark.parametrize("name", ["me/../x", "../x/y", "me", "https://h/me/x", "me/x/y", "", "me/x\n"])
def test_a_name_leads_nowhere_else(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    file = PublishedFile(repository=name)
    assert local_file(file) is None
    assert commit_of(file) == ""
    with pytest.raises(RecipeError) as caught:
        ask(file)
    assert caught.value.problems[0].code == "E554"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "[" * 100_000,
        '{"architecture": 3}',
        '{"architecture": "x", "pretrained_cfg": 3}',
        '{"architecture": "x", "mean": [0, 0], "std": [1, 1, 1]}',
        '{"architecture": "x", "mean": [0, 0, NaN], "std": [1, 1, 1]}',
        '{"architecture": "x", "mean": [0, 0, 0], "std": [0, 1, 1]}',
        '{"architecture": "x", "mean": [0, 0, 0]}',
        '{"architecture": "x", "input_size": [3, 224]}',
        '{"architecture": "x", "crop_pct": "all"}',
    ],
)
def test_a_config_that_cannot_be_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(RecipeError) as caught:
        read_config(tmp_path / "config.json", "me/net")
    assert caught.value.problems[0].code == "E557"


def test_a_config_of_another_library_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["ResNetForImageClassification"], "mean": "x"}')
    assert read_config(tmp_path / "config.json", "me/net").mean is None
