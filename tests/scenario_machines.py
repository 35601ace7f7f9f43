"""What the machine of an example lacks: packages, a network, room; `PATCHES` by code."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scenario_runs import packed_run

from recipe_lang.problem import Problem, RecipeError
from runtime.data.images import ImageError
from runtime.distribution.group import JOIN
from runtime.distribution.problems import WorkerLost, WorkersDiffer, WorkersWithoutShard


def with_hub(patch: pytest.MonkeyPatch) -> None:
    """Put a hub in place that has the repository me/flowers."""
    import httpx2
    from huggingface_hub.errors import RepositoryNotFoundError

    from runtime.workflows import hub

    def sent(url: str) -> Any:
        if "me/flowers/" not in url:
            raise RepositoryNotFoundError("404", response=httpx2.Response(404, request=httpx2.Request("HEAD", url)))
        return SimpleNamespace(size=1, commit_hash=None)

    def download(*_: object, local_dir: str, **__: object) -> str:
        return str(shutil.copy(pack, local_dir))

    packed_run(right=True)
    pack = Path("flowers.ftrpack").rename("packed").absolute()
    patch.setattr(hub, "get_hf_file_metadata", sent)
    patch.setattr(hub, "hf_hub_download", download)


COMMIT = "8c8160af334519b13c56546bfaf1b70e3b86444b"


def with_hub_of_weights(patch: pytest.MonkeyPatch) -> None:
    """Put a hub in place that has nothing but what is here: me/resnet50d, me/flowers and me/broken."""
    import httpx2
    import huggingface_hub
    from huggingface_hub.errors import RepositoryNotFoundError

    def sent(url: str) -> Any:
        raise RepositoryNotFoundError("404", response=httpx2.Response(404, request=httpx2.Request("HEAD", url)))

    halves = [0.5, 0.5, 0.5]
    said = {
        "resnet50d": {"mean": halves},
        "flowers": {"mean": halves, "crop_pct": 0.875},
        "broken": {"mean": [0.5, 0.5]},
    }
    for name, settings in said.items():
        repository = Path("hub", f"models--me--{name}")
        snapshot = repository / "snapshots" / COMMIT
        snapshot.mkdir(parents=True)
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text(COMMIT)
        (snapshot / "model.safetensors").write_bytes(b"weights")
        config = {"architecture": "resnet50d", "pretrained_cfg": {**settings, "std": halves}}
        (snapshot / "config.json").write_text(json.dumps(config))
    patch.setenv("HF_HUB_CACHE", "hub")
    patch.setattr(huggingface_hub, "get_hf_file_metadata", sent, raising=False)


def _without_packages(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("runtime.data.sources.packaged.find_spec", lambda name: None)
    patch.setattr("runtime.models.packaged.find_spec", lambda name: None)
    patch.setattr("runtime.system.installation._checkout", lambda: (None, False))


def _offline(patch: pytest.MonkeyPatch) -> None:
    import requests

    def refuse(*_: object, **__: object) -> None:
        raise requests.ConnectionError("no route to host")

    patch.setattr(requests, "get", refuse)
    patch.setattr(requests, "head", refuse)
    patch.setenv("MXNET_HOME", "cache")


def _read_only(patch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    patch.setattr("tempfile.mkstemp", refuse)


def _locked(patch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise BlockingIOError

    patch.setattr("fcntl.flock", refuse)


def _without_onnx(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(sys.modules, "onnx", None)
    patch.setattr("runtime.system.installation._checkout", lambda: (None, False))


def _without_ray(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("runtime.workflows.features.ray_engine.find_spec", lambda name: None)
    patch.setattr("runtime.system.installation._checkout", lambda: (None, False))


def _engine(patch: pytest.MonkeyPatch, engine: object) -> None:
    patch.setattr("runtime.workflows.features.ray_engine.cluster", lambda address: nullcontext(engine))


def _older_machine(patch: pytest.MonkeyPatch) -> None:
    from runtime.workflows.features.ray_engine import result
    from runtime.workflows.features.tasks import Refusal

    refusal = Refusal("node2", (("instructions", "avx512_core", "avx2"), ("pillow", "12.0.0", "11.3.0")))
    _engine(patch, lambda session, piece: iter(result("10.0.0.1:6379", refusal)))


def _without_rows(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("runtime.export.network.OPERATORS", {})


def _faulty_runtime(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("runtime.workflows.export_check.session", lambda content: lambda given: np.array([[0.5, 0.5]]))


def _few_bits(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("runtime.workflows.export.reduced", lambda model, *_: model)
    patch.setattr("runtime.workflows.export_check.session", lambda content: lambda given: np.array([[0.0, 1.0]]))


def _other_runtime(patch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("[ONNXRuntimeError] : 1 : FAIL : Opset 18 is under development")

    patch.setattr("onnxruntime.InferenceSession", refuse)


def _gone(patch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ImageError("No such file or directory")

    patch.setattr("runtime.workflows.export_check.open_rgb", refuse)


def _ended(patch: pytest.MonkeyPatch) -> None:
    reason = "nothing was heard of rank 1 on node2 for 5 seconds"
    _joined_by(patch, WorkerLost(reason=reason, run="runs/flowers-1"))


def _other_rate(patch: pytest.MonkeyPatch) -> None:
    differences = (("recipe.hash", "aa64aca6a244", "5d6195b7e5e4"), ("recipe.resolved", "fd2bbbc085d5", "07422da41f7c"))
    _joined_by(patch, WorkersDiffer(rank=1, place="node2", differences=differences))


def _with_few_shards(patch: pytest.MonkeyPatch) -> None:
    _joined_by(patch, WorkersWithoutShard(workers=6, shards=4), "local")


def _joined_by(patch: pytest.MonkeyPatch, problem: Problem, engine: str = "mpi") -> None:
    def refuse(*_: object) -> None:
        raise RecipeError(problem)

    patch.setitem(JOIN, engine, refuse)  # type: ignore[arg-type]


def _without_mpi4py(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(sys.modules, "mpi4py", None)
    patch.setattr("runtime.distribution.mpi.which", lambda name: None)
    patch.setattr("runtime.system.installation._checkout", lambda: (None, False))


PATCHES: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "E118": _read_only,
    "E510": _without_packages,
    "E528": _without_packages,
    **dict.fromkeys(("E540", "W750"), _offline),
    "E613": _with_few_shards,
    "E617": _ended,
    "E618": _other_rate,
    "E619": _without_mpi4py,
    "E643": _locked,
    "E646": _without_onnx,
    "E647": _without_rows,
    "E648": _faulty_runtime,
    "E651": _few_bits,
    "E652": _other_runtime,
    "E653": _gone,
    "E659": _without_ray,
    "E661": _older_machine,
    **dict.fromkeys(("E573", "E574"), with_hub),
    **dict.fromkeys(("E554", "E555", "E557", "E558", "E559", "W775", "W776"), with_hub_of_weights),
}
