"""How the processes of an engine come together: each gets a rank, a heartbeat and an exchange.

Neither NumPy nor MXNet is imported before the exchange is asked for: both read variables then.

In go an engine's name and where the others are (`GroupOptions`); out comes a `Group`. Rank 0 leads: it alone writes the
run folder and speaks. Under MPI the launcher gives the ranks, and rank 0 listens for the heartbeats; with the parameter
server the scheduler does, at the port behind its own, and the ranks are those that were asked for, or by arrival.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from recipe_lang.problem import RecipeError
from recipe_lang.words import listed
from runtime.distribution.heartbeat import Address, Heard, Heartbeat, Refused, own_address, own_addresses, own_name
from runtime.distribution.problems import NoGroup

if TYPE_CHECKING:
    from runtime.distribution.exchange import Exchange

ROLES = ("scheduler", "server", "worker")


@dataclass(frozen=True, slots=True)
class GroupOptions:
    """What the command line says of a group; what it does not say, a launcher's variables may."""

    role: str | None = None
    root: Address | None = None  # where the scheduler is
    size: int | None = None  # workers
    rank: int | None = None

    def completed(self) -> GroupOptions:
        """Return them with what the variables of a launcher say (`DMLC_ROLE` and others).

        Raises:
            RecipeError: something is missing.
        """
        told = os.environ
        role, size, root = self.role or told.get("DMLC_ROLE"), self.size, self.root
        if size is None and told.get("DMLC_NUM_WORKER", "").isdecimal():
            size = int(told["DMLC_NUM_WORKER"])
        if root is None and told.get("DMLC_PS_ROOT_URI") and told.get("DMLC_PS_ROOT_PORT", "").isdecimal():
            root = (told["DMLC_PS_ROOT_URI"], int(told["DMLC_PS_ROOT_PORT"]))
        known = {"--role": role in ROLES, "--root": root is not None, "--size": bool(size)}
        if lacking := [name for name, is_known in known.items() if not is_known]:
            raise RecipeError(
                NoGroup(
                    reason=f"`--engine kvstore` needs {listed(tuple(lacking), 'and')}",
                    fix="the same command everywhere: `--root HOST:PORT` is where the scheduler is, `--size N` how "
                    "many workers there are; `--role` is `scheduler` once, `server` once, and `worker` N times",
                )
            )
        return GroupOptions(role, root, size, self.rank)


@dataclass(frozen=True, slots=True)
class Group:
    """A process among those that train one network."""

    rank: int | None  # None of a scheduler and a server
    workers: int
    heartbeat: Heartbeat
    exchange: Callable[[], Exchange]  # it may import MXNet
    each_has_a_terminal: bool  # so that each says how the group ended; else rank 0 does for all
    same_machine: bool = False

    @property
    def leads(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0


def join_mpi(options: GroupOptions, heard: Heard) -> Group:
    """Join the processes that an MPI launcher has started.

    Raises:
        RecipeError: there is no MPI, or rank 0 cannot be reached.
    """
    from runtime.distribution.mpi import MpiExchange, is_launched

    exchange = MpiExchange()
    rank, workers = exchange.rank, exchange.workers
    if workers == 1 and not is_launched():
        heard.note("one process trains: no `mpiexec` has started it, as `mpiexec -n 4 ftr run …` starts four")
    if rank == 0:
        key = secrets.token_hex(16)
        heartbeat = Heartbeat(f"rank 0 on {own_name()}", key, heard)
        _, port = heartbeat.listen(("", 0), workers, 0)
        exchange.share(json.dumps([key, own_addresses(), port]).encode())
    else:
        key, addresses, port = json.loads(exchange.share(None))
        heartbeat = Heartbeat(own_name(), key, heard)
        _connect(heartbeat, [(address, port) for address in addresses], workers, rank)
    return Group(rank, workers, heartbeat, lambda: exchange, each_has_a_terminal=False)


def join_kvstore(options: GroupOptions, heard: Heard) -> Group:
    """Join the processes of a parameter server; MXNet must not be imported yet.

    Raises:
        RecipeError: it is not said who belongs to the group, or the scheduler cannot be reached.
    """
    options = options.completed()
    assert options.root is not None
    assert options.size is not None
    (host, port), workers, role = options.root, options.size, str(options.role)
    name = own_name()
    heartbeat = Heartbeat(name if role == "worker" else f"the {role} on {name}", "ftr", heard)
    try:
        _set_variables(role, host, port, workers, host if role == "scheduler" else own_address(host))
        if role == "scheduler":
            heartbeat.listen(("", port + 1), workers, None)
    except OSError as error:
        raise RecipeError(
            NoGroup(reason=f"{host}:{port + 1}: {error.strerror or error}", fix=_PORTS.format(port, port + 1))
        ) from None
    if role != "scheduler":
        where, is_worker = [(host, port + 1)], role == "worker"
        try:
            _connect(heartbeat, where, workers, options.rank, is_worker, wait=_SOON_S)
        except _NobodyError:
            heard.note(f"waiting for the scheduler at {host}:{port}")
            _connect(heartbeat, where, workers, options.rank, is_worker, wait=_PATIENCE_S)
    rank = heartbeat.rank
    return Group(rank, workers, heartbeat, cache(partial(_kv_exchange, rank, workers)), each_has_a_terminal=True)


def _kv_exchange(rank: int | None, workers: int) -> Exchange:
    from runtime.distribution.kvstore import KvExchange

    assert rank is not None
    return KvExchange(rank, workers)


def _set_variables(role: str, host: str, port: int, workers: int, address: str) -> None:
    """Tell MXNet which part this process has in the group; `address` is its own."""
    os.environ |= {
        "DMLC_ROLE": role,
        "DMLC_PS_ROOT_URI": host,
        "DMLC_PS_ROOT_PORT": str(port),
        "DMLC_NUM_WORKER": str(workers),
        "DMLC_NUM_SERVER": "1",
        "DMLC_NODE_HOST": address,
    }


_SOON_S = 3.0
_PATIENCE_S = 600.0  # people start the processes of a group by hand, one after the other
_PORTS = "the scheduler's machine needs the ports {} and {}; HOST is its address as the other machines see it"


class _NobodyError(RecipeError):
    """Nobody answers."""


def _connect(
    heartbeat: Heartbeat,
    addresses: list[Address],
    workers: int,
    rank: int | None,
    is_worker: bool = True,
    wait: float = 0.0,
) -> None:
    reasons = []
    for address in addresses:
        try:
            heartbeat.connect(address, workers, rank, is_worker, wait)
        except Refused as error:
            raise RecipeError(
                NoGroup(reason=str(error), fix="`--size` counts all workers, and each has a `--rank` of its own")
            ) from None
        except OSError as error:
            reasons.append(f"{address[0]}:{address[1]}: {error}")
        else:
            return
    fix = "is there a firewall between the machines? Each has to reach the others at any port"
    raise _NobodyError(NoGroup(reason=f"nobody answers at {listed(tuple(reasons))}", fix=fix))


def join_local(options: GroupOptions, heard: Heard) -> Group:
    """Fork processes on this machine; neither NumPy nor MXNet may be loaded yet, nor a thread be started.

    Raises:
        RecipeError: the system gives no process.
    """
    from runtime.distribution.local import forked

    workers = options.size or 1
    try:
        exchange = forked(workers)
    except OSError as error:
        reason = f"the system gives no {workers} processes: {error.strerror or error}"
        fix = "train without `--engine local`, or with a smaller `--size`"
        raise RecipeError(NoGroup(reason=reason, fix=fix)) from None
    rank = exchange.rank
    if rank == 0:
        key = secrets.token_hex(16)
        heartbeat = Heartbeat("rank 0", key, heard)
        _, port = heartbeat.listen((_HERE, 0), workers, 0)
        exchange.share(json.dumps([key, port]).encode())
    else:
        key, port = json.loads(exchange.share(None))
        heartbeat = Heartbeat(f"process {os.getpid()}", key, heard)
        _connect(heartbeat, [(_HERE, port)], workers, rank)
    return Group(rank, workers, heartbeat, lambda: exchange, each_has_a_terminal=False, same_machine=True)


_HERE = "127.0.0.1"

JOIN: Mapping[str, Callable[[GroupOptions, Heard], Group]] = {
    "local": join_local,
    "mpi": join_mpi,
    "kvstore": join_kvstore,
}
"""What the processes of each engine join by."""
