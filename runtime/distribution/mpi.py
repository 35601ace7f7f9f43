"""The exchange over MPI, with mpi4py: the rows of all shards by one `MPI_Allgatherv`, in the order of the shards.

MPI is started when this is asked for, not when mpi4py is imported, and ends in `close`: a process that fails leaves
without, since MPI would wait for the others. All calls that wait let other threads run: `allreduce` of an object, for
one, would not, and then this process would be silent.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from shutil import which
from typing import TYPE_CHECKING, Any

from recipe_lang.problem import RecipeError
from runtime.distribution.problems import EngineMissing, NoGroup
from runtime.system.installation import install_command

if TYPE_CHECKING:
    from runtime.distribution.exchange import Row

_LAUNCHED = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS")
"""Where launchers say how many processes they have started."""


def is_launched() -> bool:
    """Whether a launcher has started this process, if only this one."""
    return any(name in os.environ for name in _LAUNCHED)


class MpiExchange:
    """What the processes of `MPI_COMM_WORLD` exchange."""

    def __init__(self) -> None:
        """Start MPI.

        Raises:
            RecipeError: there is no MPI, or the launcher is that of another one.
        """
        self._mpi = _started()
        self._comm = self._mpi.COMM_WORLD
        self.rank, self.workers = int(self._comm.rank), int(self._comm.size)
        expected = max(int(text) for name in _LAUNCHED if (text := os.environ.get(name, "1")).isdecimal())
        if self.workers == 1 and expected > 1:
            library = self._mpi.Get_library_version().split("\n")[0].split(",")[0].strip("\0 ")
            raise RecipeError(
                NoGroup(
                    reason=f"the launcher has started {expected} processes, and each believes to be alone ({library})",
                    fix="start them with the `mpiexec` of that library; under Slurm, try `srun --mpi=pmi2`",
                )
            )

    def gather(self, rows: Mapping[int, Row], shards: int) -> list[Row]:
        """Return the rows of all shards in order, bit for bit."""
        import numpy as np  # not before the number of its threads is chosen

        from runtime.distribution.exchange import own_shards

        length = len(next(iter(rows.values()), ()))
        if shards < self.workers:  # some have none, and do not know how long they are
            lengths = np.array([length])
            self._comm.Allreduce(self._mpi.IN_PLACE, lengths, op=self._mpi.MAX)
            length = int(lengths[0])
        own = np.empty((len(rows), length), np.float32)
        for place, shard in enumerate(own_shards(shards, self.rank, self.workers)):
            own[place] = rows[shard]
        counts = [length * len(own_shards(shards, rank, self.workers)) for rank in range(self.workers)]
        all_rows = np.empty((shards, length), np.float32)
        self._comm.Allgatherv([own, self._mpi.FLOAT], [all_rows, counts, self._mpi.FLOAT])
        return list(all_rows)

    def share(self, value: bytes | None) -> bytes:
        """Return rank 0's bytes."""
        shared: bytes = self._comm.bcast(value)
        return shared

    def close(self) -> None:
        """End MPI; it waits for all processes."""
        self._comm.Barrier()  # `Finalize` would wait with Python's lock, and stop the heart
        self._mpi.Finalize()


def _started() -> Any:
    try:
        import mpi4py
    except ImportError:
        raise RecipeError(
            EngineMissing(
                reason="mpi4py is not installed", command=install_command("mpi" if which("mpiexec") else "mpich")
            )
        ) from None
    mpi4py.rc.initialize = mpi4py.rc.finalize = False
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        reason = f"mpi4py finds no MPI library ({str(error).splitlines()[0]})"
        raise RecipeError(EngineMissing(reason=reason, command=install_command("mpich"))) from None
    MPI.Init_thread(MPI.THREAD_FUNNELED)
    return MPI
