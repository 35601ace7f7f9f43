"""Prints the rows of `runtime/models/published.py`: where public checkpoints of the zoos' networks are.

    pip install torchvision timm && python bench/published_weights.py

Reads the installed torchvision and timm: file names end in the first digits of their SHA-256. Nothing is downloaded.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from timm.models import get_pretrained_cfg, list_pretrained
from torchvision.models import get_model_weights, list_models

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from runtime.models.torch_names import PAIRS  # noqa: E402


def rows() -> Iterator[tuple[str, str, str]]:
    """Yield the zoo's name, the address or the repository, and the licence: GluonCV's own weights where there are."""
    for name, pair in PAIRS.items():
        found = [source for network in pair.networks for source in published(network)]
        yield name, *min(found, key=lambda source: "gluon" not in source[0])


def published(network: str) -> Iterator[tuple[str, str]]:
    """Yield where a network of torchvision or timm is published, and the licence."""
    library, name = network.split("/")
    if library == "torchvision" and name in list_models():
        first = next(iter(get_model_weights(name)))  # V1, trained as the zoo's are
        yield first.url, "BSD-3-Clause"
        return
    for tag in sorted(list_pretrained(f"{name}.*")) if library == "timm" else ():
        facts = get_pretrained_cfg(tag)
        if "gluon_in1k" in tag or not tag.partition(".")[2].startswith(("tv_", "tf_")):
            yield (facts.url if "gluon" in (facts.url or "") else facts.hf_hub_id), facts.license


if __name__ == "__main__":
    for row in rows():
        print(*row)
