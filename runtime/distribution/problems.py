"""What can go wrong among the processes that train one network (E613, E617 to E620)."""

from __future__ import annotations

import shlex

from recipe_lang.problem import Kind, Problem
from recipe_lang.words import counted


def _resume(p: Problem) -> str:
    if p.command:
        return f"`{p.command}` resumes it at its last checkpoint"
    if not p.run:
        return "see to it, and start all of them again; where there is a run folder already, with `--resume FOLDER`"
    return (
        f"see to it, and start workers again with `--resume {shlex.quote(p.run)}`, any number of them: nothing is lost "
        "beyond the last checkpoint"
    )


WorkerLost = Kind(
    "E617",
    "worker lost",
    reason="""Workers that train one network wait for one another at each step, so the end of one ends them all.

    A worker has died when its connection closes, or when nothing was heard of it for 5 seconds: it was killed, its
    machine is off or asleep, or the network between is cut. The run resumes at its last checkpoint, with as many
    workers as there are then.""",
    fields="reason",
    optional={"run": "", "command": ""},
    message="the run has ended everywhere: {reason:printable}",
    help=_resume,
)


def _differing(p: Problem) -> str:
    shown = [f"\n    {name}: {lead or 'none'} -> {own or 'none'}" for name, lead, own in p.differences[:20]]
    more = len(p.differences) - len(shown)
    return "".join([*shown, f"\n    and {more} more" if more else ""])


WorkersWithoutShard = Kind(
    "E613",
    "workers without a shard",
    reason="""Workers share out the shards of each batch, so a run has at most as many workers as its recipe has shards.

    `shards = K` stands in a stage or in `defaults`. It is part of the recipe, because sums in another order are other
    bits; how many processes compute the shards changes nothing.""",
    fields="workers shards",
    message=lambda p: f"{counted(p.workers, 'worker')} for {counted(p.shards, 'shard')}",
    help="start at most {shards}, or write more `shards` into the recipe: another recipe, with weights of its own",
)

WorkersDiffer = Kind(
    "E618",
    "workers differ",
    reason="""Each worker reads the recipe, the images and the weights from its own disk, or from a shared folder.

    They have to be the same everywhere, and so do the versions of the packages, the number of threads and the device:
    else the workers would train different networks. They are compared before training.""",
    fields="rank place differences",
    message=lambda p: f"rank {p.rank} on {p.place} does not train what rank 0 trains:{_differing(p)}",
    help="give all machines the same recipe, images, weights and packages, or a folder that they share",
)

EngineMissing = Kind(
    "E619",
    "engine not installed",
    reason="""`--engine mpi` needs mpi4py and an MPI library: that of the machine, or the one that comes as a package.

    They are the extras `mpi` (the machine has an MPI) and `mpich` (it has none). `--engine kvstore` needs neither.""",
    fields="reason command",
    message="`--engine mpi` cannot work here: {reason:printable}",
    help="install it: `{command}`; or use `--engine kvstore`, which needs nothing more",
)

NoGroup = Kind(
    "E620",
    "workers do not find one another",
    reason="""The processes of an engine are started together, and each has to know of the others.

    Under MPI that is the launcher's business (`mpiexec`, or `srun` with the kind of MPI that the library speaks); with
    `--engine kvstore` all are told where the scheduler is (`--root`) and how many workers there are (`--size`).""",
    fields="reason fix",
    message="the workers do not find one another: {reason:printable}",
    help="{fix}",
)
