"""What `ftr tune` finds on the solar cells, how long it takes, and that a killed study ends like one that was not.

Three studies of the head of `recipes/solar-cells.ftr` (rate, dropout, label smoothing, length): 30 trials by TPE, 30 at
random, and TPE killed with SIGKILL at 20 random moments. Prints a table; takes about ten minutes on two idle cores, and
less with `--kills 3 --trials 8`.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RECIPE = """ftr 1

name = "solar-head"
seed = 1

param lr        = 5e-3 in log(1e-4 .. 1e-1)
param rate      = 0.2 in 0.0 .. 0.6
param smoothing = 0.0 in 0.0 .. 0.2
param length    = 8 epochs in 4 epochs .. 12 epochs

data {
  train   = solar_cells
  valid   = holdout(15%)
  test    = holdout(30%)
  size    = 128px
  augment = [flip(horizontal), flip(vertical)]
  batch   = 32
}

base = packaged("efficientnet_lite0")
head = [dropout($rate), dense(classes)]
loss = cross_entropy(label_smoothing = $smoothing)

stage "head" {
  train     = head
  for       = $length
  optimizer = adam(lr = $lr)
}
"""
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
    return subprocess.Popen(
        [sys.executable, "-m", "runtime", "tune", *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=sys.stderr
    )


def whole(folder: Path, name: str, *words: str) -> tuple[list[Trial], float]:
    """Run a study to its end; return its trials and the seconds."""
    began = time.monotonic()
    code = start(folder, "solar.ftr", "--out", name, "--metric", "loss", *words).wait()
    assert code == 0, f"{name} ended with {code}"
    return trials(folder / name / "study.journal"), time.monotonic() - began


def killed(folder: Path, count: int, kills: int, seconds: float, seed: int) -> tuple[list[Trial], int]:
    """Run a study that is killed so often at random moments; return its trials, and how many kills met one running."""
    luck, journal, met = random.Random(seed), folder / "killed/study.journal", 0
    process = start(folder, "solar.ftr", "--out", "killed", "--metric", "loss", "--trials", str(count))
    for _ in range(kills):
        try:
            process.wait(luck.uniform(3.0, 6.0 + 2 * seconds / kills))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            met += 1
        words = ["--resume", "killed"]
        if not (folder / "killed/study.json").exists():  # before it had a folder
            words = ["solar.ftr", "--out", "killed", "--metric", "loss"]
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
        (folder / "solar.ftr").write_text(RECIPE)
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
