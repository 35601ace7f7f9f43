"""Computes a recipe's features on a local Ray cluster of two machines, of which one is killed: `ray_cluster.py RECIPE`.

It is the one that this process is not connected to, and dies once the first chunk is back. A process of its own: Ray
reads its environment, such as that of its tokens, when it starts.
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

CORES = 2  # of each machine


def main() -> None:
    """Start the machines, compute, and end them."""
    machines = Cluster(initialize_head=True, head_node_args={"num_cpus": CORES, "include_dashboard": False})
    other = machines.add_node(num_cpus=CORES)
    try:
        with cluster(machines.address) as engine:

            def watched(session: Session, piece: Piece) -> Iterator[tuple[int, int]]:
                for done, total in engine(session, piece):
                    if done and other in machines.worker_nodes:
                        machines.remove_node(other, allow_graceful=False)
                        print(f"killed with {total - done} of {total} images to do")
                    yield done, total

            compute_features(prepare(Path(sys.argv[1])), RunSettings(workers=0), watched)
    finally:
        machines.shutdown()


if __name__ == "__main__":
    main()
