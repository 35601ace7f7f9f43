"""How fast detectors and segmenters train: `python bench/detection_speed.py [RECIPE…] [--data-root FOLDER]`.

The first stage of a recipe is taken twice: with the head alone, and with what it trains of the base as well, blocks 6
and 7 where it trains nothing of it. The default are both recipes of scenes. Each case runs in a process of its own, and
is measured RUNS times in turn with the others; a figure is the least of them:

* `cached`: ftr, what the frozen part gives is kept, in an epoch that finds all of it there;
* `no cache`: the same with `--no-cache`; images are decoded, and run through the fused frozen part, in each epoch;
* `gluon`: a plain loop, the whole network recorded and hybridized, frozen parts frozen by `grad_req` and by the
  statistics of their norms. Images and targets come to it from ftr's own threads, which flatters it;
* `torch`: with `--torch-python PYTHON` a step in PyTorch (`bench/detection_torch.py`) beside one of ftr, both on the
  same batches behind the same cut, with the same weights, and the losses of the first and the last step of both. It
  knows the heads `anchor_free` and `fpn` behind EfficientNet-Lite0.

`--write docs/detection-speed.md` makes a page of it, with what each operator of a step takes (`operators`: by MXNet's
profiler, which runs them one by one, so that their sum is more than a step). Rows are appended to WORK; what is there
is not measured again.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

Row = dict[str, Any]
PASSED = ("data_root", "torch_python", "epochs", "steps", "threads")
CASES = ("cached", "no cache", "gluon")
TRAINED = ("head", "base and head")
PLACES = {3: (6, 12), 4: (4, 6, 12), 5: (2, 4, 6, 12)}  # of EfficientNet-Lite0's units, behind which maps are handed on


def recipe_of(given: Path, trained: str, folder: str) -> Path:
    """Return a copy of a recipe, whose stage trains what is to be measured."""
    text = given.read_text(encoding="utf-8")
    if trained == "head":
        text = re.sub(r"(?m)^(\s*train\s*=\s*)base\..*", r"\1head", text)
        text = re.sub(r"(?m)^\s*(lr_scale|norm)\s*=.*\n", "", text)
    else:
        more = "base.block6 .. head\n  norm = frozen\n  lr_scale = { base.block6 .. base.block7 = 0.2 }"
        text = re.sub(r"(?m)^(\s*train\s*=\s*)head$", rf"\1{more}", text)
    path = Path(folder) / given.name
    path.write_text(text, encoding="utf-8")
    return path


def session_of(recipe: Path, root: Path, keeps: bool) -> Any:
    """Return a recipe ready to train."""
    from runtime.backend.mx import mx
    from runtime.data.decoded import Decoded
    from runtime.data.sets import Sets
    from runtime.models.network import start_weights
    from runtime.tasks.catalog import TASKS
    from runtime.training.stage import Session
    from runtime.workflows.preparation import prepare
    from runtime.workflows.run import read_again

    prepared = prepare(recipe, data_root=root)
    plan, task = prepared.plan, TASKS[prepared.plan.task]
    start_weights(prepared.model, plan.base, plan.seed, mx.cpu())
    samples = {name: each.samples for name, each in prepared.listings.items()}
    decoded = Decoded(read_again(plan)) if keeps else None
    sets = Sets(plan.data, plan.seed, samples, 2, partial(task.collate, facts=plan.data.target), decoded)
    return Session(plan=plan, task=task, model=prepared.model, sets=sets, context=mx.cpu(), keep=keeps)


def epochs(session: Any, plain: bool, count: int) -> Row:
    """Return the seconds of the fastest of some epochs, of the clock and of the processor, and the images of one."""
    from runtime.backend.freezing import prepare_stage
    from runtime.backend.mx import nd
    from runtime.training.stage import stage_net, training_step

    stage, features = session.plan.stages[0], session.features()
    net = stage_net(session, stage, features)
    step = training_step(session, stage, net)
    if plain:
        step = plain_step(session, stage, prepare_stage)
    found, images = [], 0
    for epoch in range(count):
        for _ in net.inputs.fill_training(epoch):
            pass
        if plain:
            batches = (((b.images, b.targets),) for b in session.sets.training(stage, epoch))
        else:
            batches = net.inputs.training(epoch)
        begin, cpu, images = time.perf_counter(), time.process_time(), 0
        for number, parts in enumerate(batches):
            step(parts, number)
            images += sum(len(targets) for _, targets in parts)
        nd.waitall()
        found.append((time.perf_counter() - begin, time.process_time() - cpu))
    features.close()
    return {"seconds": min(found)[0], "cpu": min(each[1] for each in found), "images": images}


def plain_step(session: Any, stage: Any, prepare_stage: Any) -> Any:
    """Return what trains a batch of images as a Gluon program would."""
    from runtime.backend.blocks import LossBlock
    from runtime.backend.mx import array, autograd, gluon
    from runtime.plan.types import trained_names
    from runtime.tasks.protocol import loss_of

    model = session.model
    names = trained_names(model.facts().parts, stage.train, stage.norm_frozen)
    wanted = {model.parameters[name] for name in names}
    for name, block in model.parts.items():
        prepare_stage([(name, block)], wanted, norm_frozen=stage.norm_frozen and name != "head")
    net = model.net
    net.hybridize(static_alloc=True, static_shape=True)
    criterion = LossBlock(loss_of(session.task, stage.loss).build(stage.loss.args))
    criterion.hybridize()
    trained = {name: p for name, p in model.parameters.items() if p in wanted and p.grad_req != "null"}
    trainer = gluon.Trainer(trained, "adam", {"learning_rate": 1e-3})

    def step(parts: Any, number: int) -> None:  # noqa: ARG001
        ((images, targets),) = parts
        with autograd.record():
            outputs = net(session.sets.inputs(images, session.context))
            loss = criterion(outputs, array(session.task.as_labels(targets, outputs.shape)))
        loss.backward()
        trainer.step(len(targets))

    return step


def beside_torch(session: Any, python: str, steps: int, threads: int) -> Row:
    """Return the seconds of a step here and in PyTorch, on the same batches, and the first and last losses of both."""
    import numpy as np

    from runtime.backend.mx import nd
    from runtime.training.stage import rate_factor, stage_net, training_step

    stage, features = session.plan.stages[0], session.features()
    net = stage_net(session, stage, features)
    factor, rate = rate_factor(stage), stage.optimizer.args["lr"]
    for _ in net.inputs.fill_training(0):
        pass
    batches = [parts[0] for _, parts in zip(range(4), net.inputs.training(0), strict=False)]
    trained = list(net.changing)
    arrays = session.model.arrays()
    base = [name for name in trained if name.startswith("base.")]
    head = [name for name in trained if name.startswith("head.")]
    head.sort(key=lambda name: name != "head.scales")  # which PyTorch has first
    units = len({name.rsplit(".", 1)[0].split(".")[1] + name.split(".")[2] for name in base})
    lateral = [arrays[name].shape for name in head if re.fullmatch(r"head\.lateral\.\d(\.0)?\.weight", name)]
    loss = stage.loss.args
    facts = {
        "task": session.plan.task,
        "places": PLACES[len(lateral)],
        "weights": loss.get("weights"),
        "dice": loss.get("dice", 0.0),
        "units": units,
        "maps": [shape[1] for shape in lateral],
        "channels": lateral[0][0],
        "classes": len(session.plan.data.target.names),
        "taps": len(batches[0][0]),
        "batches": len(batches),
        "rates": [rate * factor(number) for number in range(steps)],
        "scale": next((part.lr_scale for part in stage.parts if part.name.startswith("base.")), 1.0),
    }
    held = {f"weight{number}": arrays[name] for number, name in enumerate([*base, *head])}
    for number, (values, targets) in enumerate(batches):
        held |= {f"map{number}_{place}": value.asnumpy() for place, value in enumerate(values)}
        held[f"labels{number}"] = session.task.as_labels(targets, _outputs(session, values[0].shape))
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/batches.npz"
        np.savez(path, facts=json.dumps(facts), **held)
        program = str(ROOT / "bench" / "detection_torch.py")
        done = subprocess.run(
            [python, program, path, str(steps), str(threads)], capture_output=True, text=True, check=True
        )
    other = json.loads(done.stdout.splitlines()[-1])
    step = training_step(session, stage, net)
    losses, times = [], []
    for number in range(steps):
        begin = time.perf_counter()
        loss, _ = step((batches[number % len(batches)],), number)
        nd.waitall()
        times.append(time.perf_counter() - begin)
        losses.append(float(loss.asscalar()))
    return {
        "seconds": min(times),
        "torch_seconds": other["seconds"],
        "losses": (losses[0], losses[-1]),
        "torch_losses": (other["losses"][0], other["losses"][-1]),
    }


def operators(session: Any, steps: int) -> Row:
    """Return the milliseconds that each operator takes of a step, and how often it runs."""
    from runtime.backend.mx import mx, nd
    from runtime.training.stage import stage_net, training_step

    stage, features = session.plan.stages[0], session.features()
    net = stage_net(session, stage, features)
    step = training_step(session, stage, net)
    for _ in net.inputs.fill_training(0):
        pass
    batches = [parts for _, parts in zip(range(4), net.inputs.training(0), strict=False)]
    for number, parts in enumerate(batches):
        step(parts, number)
    nd.waitall()
    with tempfile.TemporaryDirectory() as folder:
        mx.profiler.set_config(profile_all=True, aggregate_stats=True, filename=f"{folder}/profile.json")
        mx.profiler.set_state("run")
        for number in range(steps):
            step(batches[number % len(batches)], number)
        nd.waitall()
        mx.profiler.set_state("stop")
        found = json.loads(mx.profiler.dumps(format="json", reset=True))["Time"]["operator"]
    return {"operators": {name: (each["Total"] / steps, each["Count"] / steps) for name, each in found.items()}}


def _outputs(session: Any, finest: Any) -> Any:
    """Return the shape of what the head gives, as far as labels depend on it; that of its finest map is known."""
    from runtime.tasks.detection.assignment import points_of

    return (0, len(points_of(session.plan.data.size)[0]), 0) if session.task.has_boxes else (0, 0, *finest[2:])


def one(given: Any) -> Row:
    """Measure one case in this process."""
    case, trained = given.one
    with tempfile.TemporaryDirectory() as folder:
        recipe = recipe_of(given.recipe[0], trained, folder)
        session = session_of(recipe, given.data_root or given.recipe[0].resolve().parent, case not in CASES[1:])
        if case == "operators":
            return operators(session, given.steps)
        if case == "torch":
            return beside_torch(session, given.torch_python, given.steps, given.threads)
        return epochs(session, case == "gluon", given.epochs)


def main() -> None:
    """Measure what WORK lacks, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    scenes = [ROOT / "recipes" / name for name in ("scenes.ftr", "scenes-masks.ftr")]
    parser.add_argument("recipe", type=Path, nargs="*", default=scenes)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--torch-python", default="")
    parser.add_argument("--work", type=Path, default=Path("detection_speed.jsonl"))
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", type=Path, help="a page, such as docs/detection-speed.md")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given)))
        return
    rows = [json.loads(each) for each in given.work.read_text().splitlines()] if given.work.exists() else []
    done = {(row["recipe"], row["case"], row["trained"], row["run"]) for row in rows}
    cases = [*CASES, *(["torch"] if given.torch_python else []), *(["operators"] if given.write else [])]
    options = [f"--{name.replace('_', '-')}={value}" for name, value in vars(given).items() if name in PASSED and value]
    for recipe, run, trained, case in product(given.recipe, range(given.runs), TRAINED, cases):
        if (recipe.name, case, trained, run) in done:
            continue
        command = [sys.executable, __file__, str(recipe), *options, "--one", case, trained]
        told = {**os.environ, **({"MXNET_EXEC_BULK_EXEC_TRAIN": "0"} if case == "operators" else {})}
        out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=told).stdout
        about = {"recipe": recipe.name, "case": case, "trained": trained, "run": run}
        rows.append({**about, **json.loads(out.splitlines()[-1])})
        with given.work.open("a", encoding="utf-8") as file:
            file.write(json.dumps(rows[-1]) + "\n")
    found = {recipe.name: [row for row in rows if row["recipe"] == recipe.name] for recipe in given.recipe}
    print("\n".join(table(found)))
    if given.write:
        given.write.write_text("\n".join(page(found, given)) + "\n", encoding="utf-8")


def table(found: dict[str, list[Row]]) -> Iterator[str]:
    """Give a table of what each recipe's epochs and steps take, and of the ratios."""
    yield "| recipe | trains | cached epoch (s) | no cache | plain Gluon | step (ms) | PyTorch (ms) | ratio | losses |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for (recipe, rows), trained in product(found.items(), TRAINED):
        own = {case: [r for r in rows if (r["case"], r["trained"]) == (case, trained)] for case in (*CASES, "torch")}
        cached, *others = (min(row["seconds"] for row in own[case]) for case in CASES)
        cells = [recipe, trained, f"{cached:.2f}", *(f"{each / cached:.1f} times" for each in others)]
        yield f"| {' | '.join([*cells, *_of_steps(own['torch'])])} |"


def _of_steps(rows: list[Row]) -> list[str]:
    """Return the cells of steps beside PyTorch's, those of the first and last losses here and there behind them."""
    if not rows:
        return [""] * 4
    here, there = (1e3 * min(row[key] for row in rows) for key in ("seconds", "torch_seconds"))
    losses = f"{_losses(rows[0]['losses'])}; {_losses(rows[0]['torch_losses'])}"
    return [f"{here:.1f}", f"{there:.1f}", f"{here / there:.2f}", losses]


def page(found: dict[str, list[Row]], given: Any) -> Iterator[str]:
    """Give the page: the table, and for each recipe what the operators of a step take."""
    from runtime.system.cpu import instructions

    yield "# How fast detectors and segmenters train"
    yield ""
    yield "Written by `python bench/detection_speed.py --write docs/detection-speed.md`, which says how it is measured."
    yield f"Figures are the least of {given.runs} runs, with {given.threads} threads, at the level {instructions()}."
    yield "*no cache* and *plain Gluon* are how many times an epoch takes of one that finds all frozen features kept; a"
    yield "step is that behind the cut, beside PyTorch's on the same batches with the same weights, and the losses are"
    yield "those of its first and its last step, here and there."
    yield ""
    yield from table(found)
    for (recipe, rows), trained in product(found.items(), TRAINED):
        own = [r["operators"] for r in rows if (r["case"], r["trained"]) == ("operators", trained)]
        best = min(own, key=lambda each: sum(spent for spent, _ in each.values()), default={})
        yield from ("", f"## A step of {recipe}, {trained}", "", "Each operator by itself, by MXNet's profiler.", "")
        yield from ("| operator | times | ms |", "|---|---|---|")
        ranked = sorted(best.items(), key=lambda item: -item[1][0])
        rest = ranked[_SHOWN:]
        others = (f"{len(rest)} others", (sum(each[0] for _, each in rest), sum(each[1] for _, each in rest)))
        yield from (f"| {name} | {count:.0f} | {spent:.2f} |" for name, (spent, count) in (*ranked[:_SHOWN], others))


_SHOWN = 16  # operators of a step


def _losses(pair: list[float]) -> str:
    return f"{pair[0]:.5f} and {pair[1]:.5f}"


if __name__ == "__main__":
    main()
