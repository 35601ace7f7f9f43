"""A process with a heartbeat, for the tests: `heartbeat_peer.py HOST PORT KEY`; it says when the group ends."""

from __future__ import annotations

import os
import sys
import time

from runtime.distribution.heartbeat import Heard, Heartbeat


def ended(reason: str, is_told: bool) -> None:
    print(f"ended: {reason}", flush=True)
    os._exit(75)


if __name__ == "__main__":
    host, port, key = sys.argv[1:]
    peer = Heartbeat("peer", key, Heard(ended))
    peer.connect((host, int(port)), None, wait=10)
    print(peer.rank, flush=True)
    time.sleep(60)
