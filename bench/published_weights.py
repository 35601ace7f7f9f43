"""Write which public checkpoints are the weights of the zoos' networks, and those of the networks of timm.

    python bench/published_weights.py > runtime/models/published.json

Needs an environment with torchvision and timm. In go their own lists of checkpoints and `PAIRS`
(`runtime/models/torch_names.py`), which says what network of theirs is one of a zoo; out comes a row for each network
that has a checkpoint. Addresses, repositories and digits of hashes are copied from the lists, sizes are those of the
parameters and statistics, which a network without memory behind it tells. Nothing is downloaded.

torchvision's own is taken where a zoo's network has its namesake there (`_v1b` and the networks of papers); GluonCV's
own (timm's tag `gluon_in1k`) before it for all others, timm's `in1k` after it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from runtime.models.timm.catalog import TIMM  # noqa: E402
from runtime.models.torch_names import PAIRS, Pair  # noqa: E402

_TAGS = ("gluon_in1k", "in1k")
_LICENCES = {"apache-2.0": "Apache-2.0", "mit": "MIT", "bsd-3-clause": "BSD-3-Clause"}


def rows() -> dict[str, dict[str, Any]]:
    """Return the rows by the names of the bases."""
    found = {name: row for name, pair in PAIRS.items() if (row := _row(name, pair)) is not None}
    return found | {name: _of_timm(name) for name in TIMM}


def _row(name: str, pair: Pair) -> dict[str, Any] | None:
    candidates = [*_torchvision(pair), *_timm(pair)]
    if not name.endswith("_v1b"):
        candidates.sort(key=lambda row: not row.get("repository", "").endswith(".gluon_in1k"))
    return next(iter(candidates), None)


def _torchvision(pair: Pair) -> Iterator[dict[str, Any]]:
    import torch
    from torchvision.models import get_model, get_model_weights

    for network in pair.networks:
        library, _, name = network.partition("/")
        if library == "torchvision":
            weights = get_model_weights(name).IMAGENET1K_V1
            digits = re.search(r"-([0-9a-f]{8,64})\.pth$", weights.url)
            if digits is None:
                continue  # it could not be verified
            options = {"aux_logits": True} if name in ("googlenet", "inception_v3") else {}
            with torch.device("meta"):
                net = get_model(name, init_weights=False, **options) if options else get_model(name)
            shown = weights.transforms()
            mean, std = ((0.5,) * 3,) * 2 if pair.from_minus_one else (shown.mean, shown.std)
            yield {
                "url": weights.url,
                "sha256": digits[1],
                "size": _size(net),
                "licence": "BSD-3-Clause (torchvision)",
                "mean": list(mean),
                "std": list(std),
            }


def _timm(pair: Pair) -> Iterator[dict[str, Any]]:
    from timm.models import list_pretrained

    known = set(list_pretrained())
    names = [network.partition("/")[2] for network in pair.networks if network.startswith("timm/")]
    for name in (f"{each}.{tag}" for tag in _TAGS for each in names):
        if name in known:
            yield _of_timm(name)


def _of_timm(name: str) -> dict[str, Any]:
    import timm
    import torch

    settings = timm.get_pretrained_cfg(name)
    with torch.device("meta"):
        net = timm.create_model(name, pretrained=False)
    return {
        "repository": settings.hf_hub_id,
        "size": _size(net),
        "licence": _LICENCES.get(settings.license, settings.license),
        "mean": list(settings.mean),
        "std": list(settings.std),
    }


def _size(net: Any) -> int:
    return sum(each.numel() * each.element_size() for each in net.state_dict().values())


if __name__ == "__main__":
    lines = [f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in rows().items()]
    print("{\n" + ",\n".join(lines) + "\n}")
