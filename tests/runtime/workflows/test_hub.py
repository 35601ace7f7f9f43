"""Push and pull, against a hub of one's own; and without any."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from hub_server import TOKEN, Hub, running_hub
from packs import make_run, pack_run
from paths import ROOT

from runtime.cli import app

pytest.importorskip("huggingface_hub")
Ftr = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as found:
        yield found


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return pack_run(make_run(tmp_path / "run"), tmp_path / "flowers.ftrpack")[0]


@pytest.fixture
def ftr(tmp_path: Path, hub: Hub) -> Ftr:
    """Run a command in a process: the library reads its variables when it is imported."""

    def call(*args: object, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "HF_ENDPOINT": hub.address,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_TOKEN": TOKEN,
            "HF_HUB_DISABLE_XET": "1",  # the hub's other storage, which this one does not have
            **variables,
        }
        command = [sys.executable, "-m", "runtime", *map(str, args)]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=180)

    return call


def test_a_run_goes_there_and_back(ftr: Ftr, hub: Hub, pack: Path, tmp_path: Path) -> None:
    pushed = ftr("push", "run", "me/flowers")
    assert (pushed.returncode, pushed.stderr) == (0, ""), pushed
    assert pushed.stdout.startswith(f"{hub.address}/me/flowers/commit/")
    files = hub.repositories["me/flowers"]["main"]
    assert files["model.ftrpack"] == pack.read_bytes()
    assert b"pipeline_tag" in files["README.md"]
    assert ftr("push", pack, "me/flowers").returncode == 0  # it is there already
    pulled = ftr("pull", "me/flowers", "--force")
    assert (pulled.returncode, pulled.stderr) == (0, ""), pulled
    assert pulled.stdout.startswith("flowers.ftrpack\nnext: ftr show flowers.ftrpack")
    assert ftr("pull", "me/flowers").returncode == 2


def test_a_pulled_pack_is_the_one_of_its_revision(ftr: Ftr, hub: Hub, pack: Path, tmp_path: Path) -> None:
    old = hub.commit("me/flowers", {"model.ftrpack": pack.read_bytes()}, "v1")
    light = pack_run(tmp_path / "run", tmp_path / "light.ftrpack", weights=False)[0]
    hub.commit("me/flowers", {"model.ftrpack": light.read_bytes()})
    for revision, expected in {"": light, "@v1": pack, f"@{old}": pack}.items():
        out = tmp_path / "a folder" / f"{revision or 'main'}.ftrpack"
        pulled = ftr("pull", f"me/flowers{revision}", "-o", out)
        assert (pulled.returncode, pulled.stderr) == (0, ""), pulled
        assert out.read_bytes() == expected.read_bytes()
    assert sorted(os.listdir(tmp_path / "a folder")) == sorted(["main.ftrpack", "@v1.ftrpack", f"@{old}.ftrpack"])


@pytest.mark.parametrize(
    ("name", "variables", "words"),
    [
        ("me/nothing", {}, "there is no such repository, or you have no access"),
        ("me/flowers@v9", {}, "it has no such revision"),
        ("me/empty", {}, "it has no `model.ftrpack`"),
        ("me/evil", {}, "error[E570]: what me/evil sends is not a pack"),
        ("me/flowers", {"HF_HUB_OFFLINE": "1"}, "cannot use me/flowers"),
    ],
)
def test_what_cannot_be_pulled(
    ftr: Ftr, hub: Hub, pack: Path, tmp_path: Path, name: str, variables: dict[str, str], words: str
) -> None:
    hub.commit("me/flowers", {"model.ftrpack": pack.read_bytes()})
    hub.commit("me/empty", {"README.md": b"# nothing"})
    hub.commit("me/evil", {"model.ftrpack": pack.read_bytes() + b"evil"})
    pulled = ftr("pull", name, "-o", tmp_path / "out/got.ftrpack", **variables)
    assert pulled.returncode == 2
    assert words in pulled.stderr
    assert "Traceback" not in pulled.stderr
    assert not (tmp_path / "out").exists() or os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize("name", ["flowers", "me/../x", "me/flowers@"])
def test_what_is_no_name_of_a_repository_is_refused(name: str, tmp_path: Path) -> None:
    pulled = CliRunner().invoke(app, ["pull", name, "-o", str(tmp_path / "got.ftrpack")])
    assert (pulled.exit_code, "error[E573]" in pulled.stderr) == (2, True)
    assert os.listdir(tmp_path) == []


def test_more_than_a_pack_can_be_is_not_downloaded(ftr: Ftr, hub: Hub, pack: Path) -> None:
    hub.commit("me/flowers", {"model.ftrpack": pack.read_bytes()})
    hub.announced = 10**12
    pulled = ftr("pull", "me/flowers", "-o", "got.ftrpack")
    assert "it announces 1,000,000,000,000 bytes" in pulled.stderr
    assert not [each for each in hub.asked if each.startswith("GET") and "/resolve/" in each]


def test_who_may_not_push_is_told_what_to_do(ftr: Ftr, hub: Hub, pack: Path) -> None:
    pushed = ftr("push", pack, "me/flowers", HF_TOKEN="hf_wrong")
    assert pushed.returncode == 2
    assert "hf auth login" in pushed.stderr
    assert "hf_wrong" not in pushed.stderr
    assert hub.repositories == {}


@pytest.mark.parametrize("command", [("pull", "me/flowers", "-o", "got.ftrpack"), ("push", "run", "me/flowers")])
def test_without_a_network_there_is_one_error_soon(ftr: Ftr, pack: Path, command: tuple[str, ...]) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        ended = ftr(*command, HF_ENDPOINT=f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert ended.returncode == 2
    assert ended.stderr.count("error[") == 1
    assert "error[E574]: cannot use me/flowers at http://127.0.0.1" in ended.stderr
