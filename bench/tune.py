"""What `ftr tune` finds on the solar cells, how long it takes, and that a killed study ends like one that was not.

Three studies of `recipes/tuned-head.ftr`: 30 trials by TPE, 30 at random, and TPE killed with SIGKILL at 20 random
moments. Prints a table; takes about ten minutes on two idle cores, and less with `--kills 3 --trials 8`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RECIPE = str(ROOT / "recipes" / "tuned-head.ftr")
Trial = tuple[tuple[tuple[str, str], ...], float | None, str]


def trials(journal: Path) -> list[Trial]:
    """Return the finished trials of a journal in order: values, the validation loss, and the hash of the weights."""
    told: dict[int, dict[str, object]] = {}
    found: list[Trial] = []
    for line in journal.read_text().splitlines():
        entry = json.loads(line)
        if "user_attr" in entry and "trial_id" in entry:
            told.setdefault(entry["trial_id"], {}).update(entry["user_attr"])
        elif entry.get("state") in (1, 2):  # complete, pruned
            own = told[entry["trial_id"]]
            texts = own.get("texts", {})
            assert isinstance(texts, dict)
            values = entry.get("values")
            found.append((tuple(texts.items()), values[0] if values else None, str(own.get("weights", ""))))
    return found


def start(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "runtime", "tune", *words]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)


def whole(folder: Path, name: str, *words: str) -> tuple[list[Trial], float]:
    """Run a study to its end; return its trials and the seconds."""
    began = time.monotonic()
    code = start(folder, RECIPE, "--out", name, "--metric", "loss", *words).wait()
    assert code == 0, f"{name} ended with {code}"
    return trials(folder / name / "study.journal"), time.monotonic() - began


def killed(folder: Path, count: int, kills: int, seconds: float, seed: int) -> tuple[list[Trial], int]:
    """Run a study that is killed so often at random moments; return its trials, and how many kills met one running."""
    luck, journal, met = random.Random(seed), folder / "killed/study.journal", 0
    process = start(folder, RECIPE, "--out", "killed", "--metric", "loss", "--trials", str(count))
    for _ in range(kills):
        try:
            process.wait(luck.uniform(3.0, 6.0 + 2 * seconds / kills))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            met += 1
        words = ["--resume", "killed"]
        if not (folder / "killed/study.json").exists():  # before it had a folder
            words = [RECIPE, "--out", "killed", "--metric", "loss"]
        process = start(folder, *words, "--trials", str(count))
    assert process.wait() == 0
    return trials(journal), met


def best(found: list[Trial]) -> float:
    return min(value for _, value, _ in found if value is not None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    count = str(given.trials)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tpe, seconds = whole(folder, "tpe", "--trials", count)
        own = tpe[0][1]
        assert own is not None
        chance, other = whole(folder, "random", "--trials", count, "--sampler", "random")
        again, met = killed(folder, given.trials, given.kills, seconds, given.seed)
        print(f"| {given.trials} trials | seconds | best valid.loss | trained to their end |\n|---|---|---|---|")
        print(f"| the recipe's own values | | {own:.4f} | |")
        for title, found, took in (("TPE", tpe, seconds), ("at random", chance, other)):
            print(f"| {title} | {took:.0f} | {best(found):.4f} | {sum(bool(each[2]) for each in found)} |")
        same = again == tpe
        print(f"\nkilled {met} times: {'the same finished trials' if same else 'OTHER finished trials'}, bit for bit")
        print(f"best values: {dict(min((t for t in tpe if t[1] is not None), key=lambda t: t[1] or 0.0)[0])}")
        sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
