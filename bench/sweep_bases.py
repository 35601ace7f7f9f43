"""Build, cut and run every classifier of the two zoos, and write the table of the results.

    python bench/sweep_bases.py [--smallest-per-family] [--only PATTERN] [--write docs/bases.md]
    python bench/sweep_bases.py --weights docs/bases.md

The second form runs nothing: it writes anew which weights each network of a page has, and the networks of timm.

In goes `runtime/models/catalog.py`; out comes one line per network and, on request, a Markdown table. Each
network runs in a process of its own, so that memory stays bounded. `check` is the test of one network; the
tests call it too.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from runtime.models.catalog import ZOOS, ZooRow  # noqa: E402
from runtime.models.published import checkpoint  # noqa: E402
from runtime.models.timm.catalog import TIMM  # noqa: E402

BATCH = 2
TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class Checked:
    """What a run of one network showed; `problem` is empty when all is well.

    `predict_error` and `train_error` are the largest differences between the features that enter the zoo's
    own classifier and ours, over the largest feature; `megabytes` is the peak memory of the whole process.
    """

    zoo: str
    name: str
    family: str
    blocks: int
    parameters: int = 0
    features: int = 0
    smallest: int = 0
    predict_error: float = -1.0
    train_error: float = -1.0
    seconds: float = 0.0
    megabytes: int = 0
    problem: str = ""

    def line(self) -> str:
        """Return the result as one line of text."""
        return (
            f"{self.zoo:8}{self.name:32}{self.blocks} blocks {self.parameters / 1e6:7.2f} M"
            f" {self.features:5} features {self.smallest:4} px  {self.errors}"
            f" {self.seconds:5.1f} s {self.megabytes:5} MB  {self.problem or 'ok'}"
        )

    @property
    def errors(self) -> str:
        """The two differences as text."""
        return f"predict {self.predict_error:.0e} train {self.train_error:.0e}"


def check(zoo: str, name: str) -> Checked:
    """Build one network with random parameters and test its map; say what is wrong with it."""
    begin = time.monotonic()
    row = ZOOS[zoo][name]
    known: dict[str, Any] = {"family": row.family, "blocks": row.blocks, "smallest": row.smallest}
    problems = []
    try:
        problems += list(_faults(zoo, name, row, known))
    except Exception as error:  # any failure of a network is a result of the sweep, not of this program
        problems.append(f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}")
    return Checked(
        zoo=zoo,
        name=name,
        **known,
        seconds=time.monotonic() - begin,
        megabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        problem="; ".join(problems),
    )


def _faults(zoo: str, name: str, row: ZooRow, known: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a network's map, and note figures in `known`.

    The parts are regrouped as a frozen prefix and a trained suffix; their features must equal those that
    the zoo's own network gives its classifier, in train mode (same seed, so same dropout) and, hybridized,
    in predict mode.
    """
    from runtime.backend.mx import mx
    from runtime.models.zoo import FAMILIES, build, layer_at, split

    mx.random.seed(1)
    net = build(zoo, name)
    net.initialize(mx.init.MSRAPrelu(), force_reinit=True)
    base = split(net, zoo, name)
    family = FAMILIES[row.family]
    classifier = layer_at(net, family.classifier)
    known["features"] = base.features
    if tuple(part for part, _ in base.parts) != row.parts:
        yield "the parts are not those of the table"
    yield from _coverage(net, base, classifier)

    # A zoo's pool of a fixed window is compared at the size that it is made for.
    side = row.native if family.fixed_pool else row.smallest
    images = mx.nd.random.uniform(-1, 1, (BATCH, 3, side, side))
    expected = {training: _zoo_features(net, classifier, images, training) for training in (False, True)}
    known["parameters"] = sum(parameter.data().size for parameter in net.collect_params().values())
    halves = _halves(base)
    # Train mode is compared imperatively: hybridizing reorders sums, and the norms of maps of one cell
    # blow that up (7e-3 at 32 px, 2e-6 at 224 px for resnet18_v2, in the zoo's own network as well).
    known["train_error"] = _relative(expected[True], _run(halves, images, True))
    for half in halves:
        half.hybridize()
    known["predict_error"] = _relative(expected[False], _run(halves, images, False))
    for key in ("train_error", "predict_error"):
        if not known[key] <= TOLERANCE:
            yield f"{key.replace('_', ' ')} is {known[key]:.1e}"
    images = mx.nd.random.uniform(-1, 1, (BATCH, 3, row.smallest, row.smallest))
    yield from _backward(base, halves, images)


def _coverage(net: Any, base: Any, classifier: Any) -> Iterator[str]:
    """Yield where the parts and the classifier do not hold each parameter of the network exactly once."""
    groups = [part.collect_params() for _, part in base.parts] + [classifier.collect_params()]
    found = [parameter_name for group in groups for parameter_name in group]
    if sorted(found) != sorted(net.collect_params()):
        yield "the parts and the classifier do not hold each parameter once"
    if not all(list(part.collect_params()) for _, part in base.parts):
        yield "a part has no parameter"
    if list(base.tail.collect_params()):
        yield "the tail has a parameter"


def _zoo_features(net: Any, classifier: Any, images: Any, training: bool) -> Any:
    """Return what the zoo's own network gives its classifier, as (batch, features); squeezenet's is pooled
    here."""
    from runtime.backend.mx import autograd, mx

    seen: list[Any] = []
    hook = classifier.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    mx.random.seed(2)
    with autograd.train_mode() if training else autograd.predict_mode():
        net(images).wait_to_read()
    hook.detach()
    features = seen[0]
    if features.ndim == 4 and features.shape[2] > 1:
        features = features.mean(axis=(2, 3))
    return features.reshape((BATCH, -1))


def _halves(base: Any) -> tuple[Any, Any]:
    """Return the parts regrouped as a frozen prefix and a trained suffix would be."""
    from runtime.backend.mx import nn

    parts = [part for _, part in base.parts]
    middle = (len(parts) + 1) // 2
    halves = nn.HybridSequential(), nn.HybridSequential()
    halves[0].add(*parts[:middle])
    halves[1].add(*parts[middle:], base.tail)
    return halves


def _run(halves: tuple[Any, Any], images: Any, training: bool) -> Any:
    from runtime.backend.mx import autograd, mx

    mx.random.seed(2)
    with autograd.train_mode() if training else autograd.predict_mode():
        return halves[1](halves[0](images))


def _relative(expected: Any, found: Any) -> float:
    """Return the largest difference over the largest expected value; infinite where that says nothing."""
    if expected.shape != found.shape:
        return float("inf")
    largest = float(expected.abs().max().asscalar())
    if not 0 < largest < float("inf"):
        return float("inf")
    return float((expected - found).abs().max().asscalar()) / largest


def _backward(base: Any, halves: tuple[Any, Any], images: Any) -> Iterator[str]:
    """Yield what goes wrong in a forward and backward pass at the smallest size."""
    from runtime.backend.mx import autograd, mx

    with autograd.record():
        features = halves[1](halves[0](images))
        # A small loss: random weights and norms over two values let gradients grow to 1e37 (resnest269).
        loss = (features * mx.nd.random.normal(scale=1e-6, shape=features.shape)).sum()
    if features.shape != (BATCH, base.features):
        yield f"the features have shape {features.shape}"
    loss.backward()
    for part, block in base.parts:
        gradients = [p.grad() for p in block.collect_params().values() if p.grad_req != "null"]
        sizes = [float(gradient.abs().max().asscalar()) for gradient in gradients]
        if not all(size < float("inf") for size in sizes):
            yield f"a gradient of {part} is not finite"
        elif not any(sizes):
            yield f"no gradient reaches {part}"


def chosen(only: str, smallest_per_family: bool) -> list[tuple[str, str]]:
    """Return the (zoo, name) pairs that hold `only`; a family's smallest network is its first row."""
    pairs = [(zoo, name) for zoo, rows in ZOOS.items() for name in rows if only in f"{zoo}:{name}"]
    if not smallest_per_family:
        return pairs
    firsts: dict[tuple[str, str], tuple[str, str]] = {}
    for zoo, name in pairs:
        firsts.setdefault((zoo, ZOOS[zoo][name].family), (zoo, name))
    return list(firsts.values())


def _in_own_process(zoo: str, name: str) -> Checked:
    row = ZOOS[zoo][name]
    command = [sys.executable, __file__, "--one", zoo, name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        problem = f"the process ended with code {done.returncode}"
        return Checked(zoo=zoo, name=name, family=row.family, blocks=row.blocks, problem=problem)
    return Checked(**json.loads(done.stdout.splitlines()[-1]))


def table(results: list[Checked]) -> str:
    """Return the results as a Markdown page."""
    good = sum(not result.problem for result in results)
    lines = [
        "# Base networks of the zoos",
        "",
        "Written by `python bench/sweep_bases.py --write docs/bases.md`: each network is built with random",
        "weights, cut into its parts, compared with the zoo's own network up to the classifier, and run",
        f"forward and backward at its smallest size (batch {BATCH}). {good} of {len(results)} passed.",
        "The difference is the largest one of a feature, over the largest feature. No size below 32 px",
        "is offered. Parameters include the norms' running statistics. The public weights are those that",
        "`weights = imagenet` fetches where the zoo's cache has no file; sizes are those of the numbers.",
        "",
        "| zoo | name | family | blocks | parameters (M) | features | smallest (px) | larger sizes"
        " | difference | result | public weights |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        row = ZOOS[result.zoo][result.name]
        sizes = {0: "none", 1: "any"}.get(row.step, f"steps of {row.step} px")
        slow = f", {result.seconds:.0f} s" if result.seconds > 60 else ""
        lines.append(
            f"| {result.zoo} | {result.name} | {result.family} | {result.blocks}"
            f" | {result.parameters / 1e6:.2f} | {result.features} | {row.smallest} | {sizes}"
            f" | {result.errors} | {result.problem or 'ok'}{slow} | {_weights(result.zoo, result.name)} |"
        )
    return "\n".join([*lines, *_timm()]) + "\n"


def _weights(kind: str, name: str) -> str:
    """Return which public checkpoint `weights = imagenet` takes where the zoo's cache has no file."""
    found = checkpoint(kind, name)
    if found is None:
        return "none"
    place = f"torchvision {found.file.url.rpartition('/')[2]}" if found.file.url else found.file.repository
    size = f", {found.file.size / 1e6:,.0f} MB" if found.file.size else ""
    return f"{place} ({found.file.licence.removesuffix(' (torchvision)')}{size})"


_TIMM_HEADING = "## Networks of timm"


def _timm() -> Iterator[str]:
    head = "| name | parts | made for (px) | sizes | public weights |"
    yield from ("", _TIMM_HEADING, "", head, "|---" * 5 + "|")
    for name, row in TIMM.items():
        yield f"| {name} | {len(row.parts)} | {row.native} | {row.sizes()} | {_weights('timm', name)} |"


def with_weights(page: str) -> str:
    """Return a page that this program has written with the weights of today."""
    lines = []
    for line in page.partition(f"\n{_TIMM_HEADING}")[0].rstrip("\n").split("\n"):
        cells = line.split(" | ")
        if line.startswith("| zoo |"):
            line = " | ".join([*cells[:9], "result", "public weights |"])
        elif line.startswith("|---"):
            line = "|---" * 11 + "|"
        elif len(cells) >= 10:
            zoo, name = cells[0].removeprefix("| "), cells[1]
            line = " | ".join([*cells[:9], cells[9].removesuffix(" |"), f"{_weights(zoo, name)} |"])
        lines.append(line)
    return "\n".join([*lines, *_timm()]) + "\n"


def main(arguments: list[str]) -> int:
    """Run the sweep; the exit code is 1 when a network failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smallest-per-family", action="store_true", help="only one network of each family")
    parser.add_argument("--only", metavar="PATTERN", default="", help="only networks whose zoo:name holds this text")
    parser.add_argument("--write", metavar="FILE", type=Path, help="write the results as a Markdown table")
    parser.add_argument("--weights", metavar="PAGE", type=Path, help="write only a page's weights anew")
    parser.add_argument("--one", nargs=2, metavar=("ZOO", "NAME"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        print(json.dumps(asdict(check(*options.one))))
        return 0
    if options.weights:
        options.weights.write_text(with_weights(options.weights.read_text(encoding="utf-8")), encoding="utf-8")
        return 0
    results = []
    for zoo, name in chosen(options.only, options.smallest_per_family):
        results.append(_in_own_process(zoo, name))
        print(results[-1].line(), flush=True)
    if options.write:
        options.write.write_text(table(results), encoding="utf-8")
    return int(any(result.problem for result in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
