"""Commands as processes of their own: signals, pipes, streams, disks."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from command import ADVICE, Ftr
from paths import ROOT
from toy import STAGE, train, write_recipe

from runtime.cli import _forget_odd_width, app
from runtime.runs import trained as finished

LITE = 'packaged("efficientnet_lite0")'


@pytest.fixture(scope="module")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that tells the colours apart."""
    root = tmp_path_factory.mktemp("trained")
    stage = STAGE.replace("1 epoch", "3 epochs\n  optimizer = adam(lr = 1e-2)")
    train(write_recipe(root / "colours.ftr", photos, stage, base=LITE, data="  size = 48px"), root / "run")
    return root / "run"


def start(*args: object, cwd: Path, env: Mapping[str, str] = {}, **options: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLCONFIGDIR": str(cwd), **env}
    return subprocess.Popen(
        [sys.executable, "-m", "runtime", *map(str, args)],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_a_terminal_is_told_what_goes_on_before_mxnet_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "mxnet.py").write_text("raise KeyboardInterrupt")
    (tmp_path / "r.ftr").write_text("ftr 1\n")
    left = "interrupted before training began: nothing was kept\r\nto begin again: ftr run r.ftr\r\n"
    ours, its = pty.openpty()
    own = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import runtime.cli as c; c.main()"
    said = {}
    for term in ("xterm", "dumb"):
        process = subprocess.run(
            [sys.executable, "-c", own, "run", "r.ftr"],
            cwd=tmp_path,
            env={**os.environ, "TERM": term, "PYTHONPATH": str(ROOT)},
            stderr=its,
            stdout=subprocess.PIPE,
        )
        assert (process.returncode, process.stdout) == (130, b"")
        said[term] = os.read(ours, 1 << 16).decode()
    assert said["xterm"] == f"\r\x1b[2Kr.ftr: loading MXNet\r\x1b[2K{left}"
    assert said["dumb"] == f"r.ftr: loading MXNet\r\n{left}"


LONG = """
stage "long" {
  train   = head
  for     = 5000 epochs
  monitor = valid.loss
}
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.long)]
)
def test_signals_end_a_run_soon(photos: Path, tmp_path: Path, number: int, code: int) -> None:
    process = start("run", write_recipe(tmp_path / "r.ftr", photos, LONG), "--out", "run", cwd=tmp_path)
    record = tmp_path / "run/metrics.jsonl"
    deadline = time.monotonic() + 120
    while not (record.exists() and record.read_text().count('"evaluated"') >= 2):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(number)
    asked = time.monotonic()
    _, err = process.communicate(timeout=90)
    assert time.monotonic() - asked < 30  # five seconds are promised; other programs may run beside the tests
    assert process.returncode == code
    assert re.fullmatch(
        r'interrupted; run/model\.params has the best weights so far, of epoch \d+ of stage 1 "[^"]+"\n'
        r"to resume: ftr run --resume run\n",
        ADVICE.sub("", err),
    ), err
    assert json.loads((tmp_path / "run/result.json").read_text())["status"] == "interrupted"
    assert finished.load(tmp_path / "run").result["status"] == "interrupted"


@pytest.mark.long  # with a pipeline of the shell: `test_pipes_that_are_closed_early`
def test_a_run_goes_on_when_nobody_reads_its_output(photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, STAGE.replace("1 epoch", "20 epochs"))
    process = start("run", recipe, "--out", "run", cwd=tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("stage 1 of 1")
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=120), ADVICE.sub("", err)) == (128 + signal.SIGPIPE, "")
    assert json.loads((tmp_path / "run/result.json").read_text())["status"] == "finished"


def test_pipes_that_are_closed_early(trained: Path, photos: Path, tmp_path: Path) -> None:
    write_recipe(tmp_path / "r.ftr", photos, STAGE.replace("1 epoch", "9 epochs"))
    pipes = (("run r.ftr --out run", "head -n 1"), (f"predict {trained} {photos / 'test'} --csv", "true"))
    lines = [
        f"({sys.executable} -m runtime {words} 2>err{number}; echo $? >code{number}) | {reader} &\n"
        for number, (words, reader) in enumerate(pipes)
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLCONFIGDIR": str(tmp_path)}
    script = "".join(lines) + "wait\n"
    subprocess.run(["sh", "-c", script], cwd=tmp_path, env=environment, check=True, stdout=subprocess.DEVNULL)
    for number in range(len(pipes)):
        assert (tmp_path / f"code{number}").read_text() == "141\n"
        assert ADVICE.sub("", (tmp_path / f"err{number}").read_text()) == ""
    assert json.loads((tmp_path / "run/result.json").read_text())["status"] == "finished"


def test_a_failure_is_more_than_output_that_nobody_reads(
    ftr: Ftr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.commands.command.unread", lambda: True)
    bad = tmp_path / "r.ftr"
    bad.write_text("ftr 1\n")
    assert ftr("explain", "adam").code == 128 + signal.SIGPIPE
    assert ftr("check", bad).code == 2


def test_a_width_that_no_page_has_is_not_believed(trained: Path, tmp_path: Path) -> None:
    shown = []
    for columns in ("99999999", "120"):
        process = start("runs", trained, cwd=tmp_path, env={"COLUMNS": columns})
        out, err = process.communicate(timeout=120)
        assert (process.returncode, err) == (0, "")
        shown.append(out)
    assert "colours" in shown[0]
    assert shown[0] == shown[1]


@pytest.mark.parametrize(("columns", "is_believed"), [("abc", False), ("0", False), ("99999999", False), ("40", True)])
def test_which_widths_are_believed(columns: str, is_believed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    _forget_odd_width()
    assert ("COLUMNS" in os.environ) is is_believed


@pytest.mark.long  # as above
def test_predictions_that_nobody_reads_end_as_a_pipe_does(trained: Path, photos: Path, tmp_path: Path) -> None:
    process = start("predict", trained, photos / "test/red/0.jpg", cwd=tmp_path)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=120), err) == (128 + signal.SIGPIPE, "")


def test_a_run_that_was_started_without_any_stream(photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos)
    command = f"exec {sys.executable} -m runtime run {recipe} --out run <&- >&- 2>&-"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLCONFIGDIR": str(tmp_path)}
    ran = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environment, check=False, timeout=240)
    assert ran.returncode == 0
    lines = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    assert all(json.loads(line)["event"] for line in lines)
    assert finished.load(tmp_path / "run").result["status"] == "finished"


def test_the_log_of_native_libraries_stays_out_of_sight(photos: Path, tmp_path: Path) -> None:
    base = 'gluoncv("resnest14", weights = none)'  # prints a line for each kind of pooling
    stage = STAGE.replace("head\n", "all\n").replace("1 epoch", "1 step")
    recipe = write_recipe(tmp_path / "r.ftr", photos, stage, base=base)
    process = start("run", recipe, cwd=tmp_path)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, ADVICE.sub("", err)) == (0, "")
    assert "run folder: runs/r-1" in out
    assert "MKLDNN" not in out


@pytest.mark.long  # a run that resumes behind a full disk: `runs/test_resume.py`
def test_a_full_disk_is_said_in_words(photos: Path, tmp_path: Path) -> None:
    import resource

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    process = start("run", write_recipe(tmp_path / "r.ftr", photos), "--out", "run", cwd=tmp_path, preexec_fn=limit)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert "error[E603]: cannot write run" in err
    assert "File too large" in err
    assert "Traceback" not in err
    left = {path.name for path in (tmp_path / "run").iterdir()}
    before = {"recipe.ftr", "resolved.ftr", "plan.json", "classes.json", "metrics.jsonl", "run.json", "recipe.ftr.lock"}
    assert left == {*before, "checkpoints", "images.json"}
    assert {path.name for path in (tmp_path / "run/checkpoints").iterdir()} == {"000001.json", "000001.params"}


def test_names_that_no_terminal_can_show(photos: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(photos, tmp_path / "photos")
    for name in ("train", "valid"):
        os.rename(os.fsencode(copy / name / "red"), os.fsencode(copy / name) + b"/rot\xe9")
    recipe = write_recipe(tmp_path / "r.ftr", copy, sources=["train", "valid"])
    train(recipe, tmp_path / "run")
    assert finished.load(tmp_path / "run").data.target.names == ("blue", "green", "rot\udce9")
    odd = os.fsencode(tmp_path) + b"/\xff\xe9.jpg"
    Path(os.fsdecode(odd)).write_bytes((photos / "test/red/0.jpg").read_bytes())
    process = start("predict", "run", os.fsdecode(os.path.basename(odd)), cwd=tmp_path)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert r"\udcff\udce9.jpg" in out


def test_of_very_many_problems_the_first_are_shown(tmp_path: Path) -> None:
    recipe = tmp_path / "r.ftr"
    recipe.write_text("ftr 1\n" + "".join(f"x{number} = 1\n" for number in range(150)))
    result = CliRunner().invoke(app, ["check", str(recipe)])
    assert result.exit_code == 2
    assert result.stderr.count("error[") == 100
    assert "… and 52 more; --json lists all" in result.stderr  # 150 fields, and two blocks that are missing
    assert "… and 52 more\n" in CliRunner().invoke(app, ["fix", str(recipe)]).stderr  # which has no such option
    machine = CliRunner().invoke(app, ["check", "--json", str(recipe)])
    assert len(json.loads(machine.stdout)[0]["problems"]) == 152


@pytest.mark.parametrize("command", ["check", "fmt", "fix", "show"])
def test_a_misspelt_file_has_a_suggestion(command: str, tmp_path: Path) -> None:
    (tmp_path / "digits.ftr").write_text("ftr 1\n")
    result = CliRunner().invoke(app, [command, str(tmp_path / "digts.ftr")])
    assert result.exit_code == 2
    assert f"did you mean {tmp_path / 'digits.ftr'}?" in result.stderr
