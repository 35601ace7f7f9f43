"""A process with a heartbeat, for the tests: `heartbeat_peer.py listen|connect HOST PORT KEY`.

It prints its rank when the group is there, and later why it ended.
"""

from __future__ import annotations

import os
import sys
import threading

from runtime.distribution.heartbeat import Heard, Heartbeat


def ended(reason: str, is_told: bool) -> None:
    print(f"ended: {reason}", flush=True)
    os._exit(75)


def main(part: str, host: str, port: str, key: str) -> None:
    joined = threading.Event()
    heard = Heard(ended, note=lambda line: joined.set())
    if part == "listen":
        peer = Heartbeat("rank 0 on a", key, heard)
        peer.listen((host, int(port)), 2, 0)
        joined.wait(60)
    else:
        peer = Heartbeat("peer", key, heard)
        peer.connect((host, int(port)), 2, None, wait=20)
        peer.note("joined")
    peer.settle()
    print(peer.rank, flush=True)
    threading.Event().wait(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
