"""What happens at signals and at the system's kills: rows of `docs/faults.md`."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from long_runs import LONG, status_of
from paths import ROOT
from toy import STAGE, train, write_recipe

from runtime.commands import supervisor as guard
from runtime.runs.trained import load
from runtime.system import memory
from runtime.training.events import Event, StepFinished


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "MPLCONFIGDIR": str(folder)}


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a command of ftr, after `words` of another program where there are some; end it with the test."""
    processes: list[subprocess.Popen[str]] = []

    def begin(*words: object, cwd: Path, first: Sequence[str] = (), **options: Any) -> subprocess.Popen[str]:
        command = [*first, sys.executable, "-m", "runtime", *map(str, words)]
        streams: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE} | options
        processes.append(subprocess.Popen(command, cwd=cwd, env=environment(cwd), text=True, **streams))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def wait_for(holds: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_training(run: Path) -> Callable[[], bool]:
    record = run / "metrics.jsonl"
    return lambda: record.exists() and record.read_text().count('"evaluated"') >= 2


def child_of(process: subprocess.Popen[str]) -> int:
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())


def test_a_terminal_that_closes_ends_a_run_as_sigterm_does(start: Start, photos: Path, tmp_path: Path) -> None:
    ours, its = pty.openpty()
    recipe = write_recipe(tmp_path / "r.ftr", photos, LONG)
    own = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), its)
    first = (sys.executable, "-c", own)
    process = start("run", recipe, "--out", "run", cwd=tmp_path, first=first, start_new_session=True, **streams)
    os.close(its)
    os.set_blocking(ours, False)

    def seen() -> bool:
        with suppress(BlockingIOError):
            os.read(ours, 1 << 16)
        return is_training(tmp_path / "run")()

    wait_for(seen)
    os.close(ours)
    assert process.wait(timeout=90) == 128 + signal.SIGHUP
    assert status_of(tmp_path / "run") == "interrupted"
    assert load(tmp_path / "run").result["weights"].startswith("the best weights so far")


def test_nohup_is_respected_and_output_that_cannot_be_written_ends_no_run(
    start: Start, photos: Path, tmp_path: Path
) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, STAGE.replace("1 epoch", "40 epochs"))
    ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731
    with open("/dev/full", "w") as full:
        process = start("run", recipe, "--out", "run", cwd=tmp_path, preexec_fn=ignore, stdout=full, stderr=full)
        wait_for(is_training(tmp_path / "run"))
        process.send_signal(signal.SIGHUP)
        assert process.wait(timeout=90) == 0
    assert status_of(tmp_path / "run") == "finished"


@pytest.mark.parametrize("words", [("run", "--help"), ("--version",), ("explain", "E601")])
def test_a_full_disk_behind_the_output_is_said(start: Start, tmp_path: Path, words: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        process = start(*words, cwd=tmp_path, stdout=full)
        _, err = process.communicate(timeout=90)
    assert (process.returncode, err) == (1, "cannot write the output: No space left on device\n")


def test_a_killed_run_is_reported_with_the_line_of_its_batch(start: Start, photos: Path, tmp_path: Path) -> None:
    process = start("run", write_recipe(tmp_path / "r.ftr", photos, LONG), "--out", "a run", cwd=tmp_path)
    wait_for(is_training(tmp_path / "a run"))
    os.kill(child_of(process), signal.SIGKILL)
    _, err = process.communicate(timeout=90)
    assert process.returncode == 128 + signal.SIGKILL
    said = err[err.index("error[") :]
    assert re.match(r"error\[E650\]: the run was killed from outside \(SIGKILL\); its peak memory was 0\.\d GB", said)
    assert f"--> {tmp_path}/r.ftr:8:11\n" in said
    assert "batch = 16\n  |           ^^\n" in said
    assert "`batch = 8` takes less; as it is, and with more memory, `ftr run --resume 'a run'` resumes it" in said


def test_no_run_outlives_its_parent(start: Start, photos: Path, tmp_path: Path) -> None:
    process = start("run", write_recipe(tmp_path / "r.ftr", photos, LONG), "--out", "run", cwd=tmp_path)
    wait_for(is_training(tmp_path / "run"))
    child = child_of(process)
    process.kill()
    process.communicate(timeout=90)  # the end of its standard error is that of both
    wait_for(lambda: not Path(f"/proc/{child}").exists(), 60)


def test_a_signal_that_comes_twice_at_once_counts_once(photos: Path, tmp_path: Path) -> None:
    def seen(event: Event) -> None:
        if isinstance(event, StepFinished):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)

    result = train(write_recipe(tmp_path / "r.ftr", photos, LONG), tmp_path / "once", watch=seen)
    assert (result["status"], result["signal"]) == ("interrupted", signal.SIGINT)

    def twice(event: Event) -> None:
        if isinstance(event, StepFinished):
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.3)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "r.ftr", tmp_path / "twice", watch=twice)


def test_the_kernels_kill_is_told_from_others(capsys: pytest.CaptureFixture[str]) -> None:
    notes = {"name": "r.ftr", "text": "ftr 1\nbatch = 64\n", "batch_at": [14, 16], "batch": 64, "fits": 16}
    guard._say(signal.SIGKILL, 14 * 10**9, True, {**notes, "run": "runs/r-1"})
    assert capsys.readouterr().err == (
        "error[E607]: out of memory: the kernel has killed the run, which had 14.0 GB\n"
        " --> r.ftr:2:9\n  |\n2 | batch = 64\n  |         ^^\n"
        "  = help: `batch = 16` should fit; or make `size` smaller, train fewer parts, or cache less: `--no-cache`; "
        "as it is, and with more memory, `ftr run --resume runs/r-1` resumes it\n\n"
    )
    guard._say(signal.SIGSEGV, 10**9, False, {})
    assert "error[E650]: the run crashed in a native library (SIGSEGV)" in capsys.readouterr().err


LIMITS = {
    "memory.max": "500000000",
    "memory.swap.max": "0",
    "memory.limit_in_bytes": "500000000",
    "memory.memsw.limit_in_bytes": "500000000",
}


@pytest.fixture
def group() -> Iterator[Path]:
    """Make a control group whose processes have 500 MB of memory together; only root can, and not everywhere."""
    for own in memory._groups():
        place = own / f"ftr-test-{os.getpid()}"
        with suppress(OSError):
            place.mkdir()
            found = [name for name in LIMITS if (place / name).exists()]
            for name in found:
                (place / name).write_text(LIMITS[name])
            if (
                found
                and not subprocess.run(["sh", "-c", joining(place) + "true"], stderr=subprocess.DEVNULL).returncode
            ):
                break
            place.rmdir()
    else:
        pytest.skip("no control group can be made here")
    yield place
    wait_for(lambda: not (place / "cgroup.procs").read_text(), 60)
    place.rmdir()


def joining(group: Path) -> str:
    """Return the beginning of a shell's words that go on in a control group."""
    return f'echo $$ > "{group}/cgroup.procs" && '


def test_a_run_that_the_kernel_kills_for_memory(start: Start, photos: Path, tmp_path: Path, group: Path) -> None:
    data = "  size  = 224px\n  batch = 64"
    base = 'packaged("efficientnet_lite0", weights = none)'
    recipe = write_recipe(tmp_path / "r.ftr", photos, LONG.replace("head", "all"), data=data, base=base)
    inside = ("sh", "-c", f'{joining(group)}exec "$@"', "sh")
    process = start("run", recipe, "--out", "run", "--quiet", cwd=tmp_path, first=inside)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGKILL
    said = err[err.index("error[") :]
    assert re.match(r"error\[E607\]: out of memory: the kernel has killed the run, which had 0\.\d GB\n", said)
    assert "batch = 64\n  |           ^^\n" in said
