"""Computes a recipe's features on a local Ray cluster of two machines: `python ray_cluster.py RECIPE KILL`.

With KILL = 1 the machine that this process is not connected to is killed once the first chunk is back. A process of its
own: Ray reads its environment, such as that of its tokens, when it starts.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from ray.cluster_utils import Cluster

from runtime.training.settings import RunSettings
from runtime.training.stage import Session
from runtime.workflows.features.fill import Piece, compute_features
from runtime.workflows.features.ray_engine import cluster
from runtime.workflows.preparation import prepare


def main() -> None:
    """Start the machines, compute, and end them."""
    recipe, kill = Path(sys.argv[1]), sys.argv[2] == "1"
    threads = 2
    machines = Cluster(initialize_head=True, head_node_args={"num_cpus": threads, "include_dashboard": False})
    other = machines.add_node(num_cpus=threads)
    killed = 0
    try:
        with cluster(machines.address) as engine:

            def watched(session: Session, piece: Piece) -> Iterator[tuple[int, int]]:
                nonlocal killed
                for progress in engine(session, piece):
                    if kill and not killed:
                        killed = 1
                        machines.remove_node(other, allow_graceful=False)
                    yield progress

            for each in compute_features(prepare(recipe), RunSettings(workers=0), watched):
                print(each.stage.title, each.rows, each.computed)
        print("killed", killed)
    finally:
        machines.shutdown()


if __name__ == "__main__":
    main()
