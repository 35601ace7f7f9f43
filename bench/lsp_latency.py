"""How long `ftr lsp` takes from a keystroke to its diagnostics: `python bench/lsp_latency.py`.

A recipe of 300 lines (one stage again and again) is opened over standard input and output. Then its middle is typed
into, one character at a time: a word of a comment (always right), and a value that is broken until its last character.
Printed are the median and the longest time, in milliseconds, and the time from start to the first diagnostics.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from typing import Any

from check_speed import FINE, text

URI = "file:///tmp/latency.ftr"
TYPED = {"right text": "  # a comment on it", "broken text": "  monitor = valid.accuracy"}


class Server:
    """`ftr lsp` as a process, spoken to in plain messages."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "runtime", "lsp"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def send(self, method: str, params: dict[str, Any], number: int | None = None) -> None:
        """Send a notification, or a request with its number."""
        body = {"jsonrpc": "2.0", "method": method, "params": params, **({} if number is None else {"id": number})}
        data = json.dumps(body).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        """Return the next message."""
        assert self.process.stdout is not None
        length = 0
        while line := self.process.stdout.readline().strip():
            if line.startswith(b"Content-Length:"):
                length = int(line.split(b":")[1])
        message: dict[str, Any] = json.loads(self.process.stdout.read(length))
        return message

    def diagnostics(self, version: int) -> list[dict[str, Any]]:
        """Wait for the diagnostics of a version of the text."""
        while True:
            message = self.receive()
            if message.get("method") == "textDocument/publishDiagnostics" and message["params"]["version"] == version:
                found: list[dict[str, Any]] = message["params"]["diagnostics"]
                return found


def main() -> None:
    """Print a table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--lines", type=int, default=300)
    written = text(arguments.parse_args().lines, FINE)
    start = time.perf_counter()
    server = Server()
    server.send("initialize", {"capabilities": {}, "processId": None, "rootUri": None}, 1)
    server.receive()
    server.send("initialized", {})
    document = {"uri": URI, "languageId": "ftr", "version": 0, "text": written}
    server.send("textDocument/didOpen", {"textDocument": document})
    server.diagnostics(0)
    lines = written.splitlines(keepends=True)
    print(f"{len(lines)} lines; first diagnostics after {time.perf_counter() - start:.2f} s")
    middle = next(i for i in range(len(lines) // 2, len(lines)) if lines[i].startswith("  for "))
    version = 0
    for name, typed in TYPED.items():
        times = []
        for end in range(1, len(typed) + 1):
            version += 1
            changed = "".join([*lines[: middle + 1], typed[:end] + "\n", *lines[middle + 1 :]])
            start = time.perf_counter()
            change = {"textDocument": {"uri": URI, "version": version}, "contentChanges": [{"text": changed}]}
            server.send("textDocument/didChange", change)
            server.diagnostics(version)
            times.append(1000 * (time.perf_counter() - start))
            time.sleep(0.05)
        print(
            f"{name:12} {len(times)} keystrokes: median {statistics.median(times):.0f} ms, longest {max(times):.0f} ms"
        )
    server.send("shutdown", {}, 2)
    server.send("exit", {})
    server.process.communicate(timeout=10)


if __name__ == "__main__":
    main()
