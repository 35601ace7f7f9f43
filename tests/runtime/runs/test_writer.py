"""What a result can do without costs it nothing: pictures, exports, the screen, and whatever matplotlib finds."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from paths import ROOT, TESTS
from PIL import Image
from planned import facts, plan_of
from toy import STAGE, write_recipe
from toy import train as train_plainly

from runtime.cli import app
from runtime.reporting.curves import CURVES, draw_curves
from runtime.runs.lock.file import LOCK, read_lock
from runtime.runs.record import Record
from runtime.runs.resume import Resume
from runtime.runs.trained import load
from runtime.system.best_effort import attempt
from runtime.tasks.classification.metrics import METRICS
from runtime.training.events import Evaluated, StageStarted, StepFinished
from runtime.training.settings import RunSettings
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run
from runtime.workflows.verify import compare

train = partial(train_plainly, extras=(CURVES,))
EXPORTED = ("model-symbol.json", "model-0000.params")


@pytest.fixture(autouse=True)
def picture() -> None:
    """Pictures are drawn here."""


def _failing(error: BaseException) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "out of memory"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (ImportError("libfreetype.so: no such file"), "ImportError: libfreetype.so: no such file"),
        (ValueError("$ expected\n  ^\x1b[2J"), "ValueError: $ expected ^\ufffd[2J"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_a_failure_is_said_in_one_line(error: Exception, reason: str) -> None:
    assert attempt(_failing(error)) == reason
    assert attempt(lambda: None) == ""


def test_who_breaks_off_is_heard() -> None:
    with pytest.raises(KeyboardInterrupt):
        attempt(_failing(KeyboardInterrupt()))


def test_a_picture_and_an_export_that_fail_cost_no_result(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, f"{STAGE}expect {{ test.accuracy >= 0% }}\n")
    before = train(recipe, tmp_path / "before")
    assert before["missing"] == []
    monkeypatch.setattr("runtime.reporting.curves.draw_curves", _failing(ValueError("Expected end of text")))
    monkeypatch.setattr("runtime.runs.writer.export_model", _failing(MemoryError()))
    found = CliRunner().invoke(app, ["run", str(recipe), "--out", str(tmp_path / "run"), "--quiet"])
    assert found.exit_code == 0
    assert capfd.readouterr().err.splitlines() == [
        "could not write model-symbol.json and model-0000.params: out of memory",
        "could not write curves.png: ValueError: Expected end of text",
    ]
    assert "claim test.accuracy >= 0: holds" in found.stdout
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert [name for name, _ in result["missing"]] == [" and ".join(EXPORTED), "curves.png"]
    assert load(tmp_path / "run").result["test"] == before["test"]
    assert not compare(read_lock(tmp_path / "before" / LOCK).facts, read_lock(tmp_path / "run" / LOCK).facts).results


def test_the_result_stands_before_anything_is_drawn(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def draw(path: Path, *_: object) -> None:
        seen.update(json.loads((path.parent / "result.json").read_text()))
        raise KeyboardInterrupt

    monkeypatch.setattr("runtime.reporting.curves.draw_curves", draw)
    with pytest.raises(KeyboardInterrupt):
        train(write_recipe(tmp_path / "r.ftr", photos), tmp_path / "run")
    assert seen["status"] == "finished"
    assert [name for name, _ in seen["missing"]] == [*EXPORTED, "curves.png"]  # true, should the power go now
    assert load(tmp_path / "run").result == seen


def test_no_export_of_an_earlier_result_stays(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, out = write_recipe(tmp_path / "r.ftr", photos), tmp_path / "run"
    train(recipe, out)
    recipe.write_text(recipe.read_text().replace("1 epoch", "2 epochs"))
    for name in ("reporting.curves.draw_curves", "runs.writer.export_model"):
        monkeypatch.setattr(f"runtime.{name}", _failing(OSError(28, "No space left on device")))
    run(prepare(recipe), RunSettings(workers=0), resume=Resume(out, extend=True), extras=(CURVES,))
    assert not {*EXPORTED, "curves.png"} & {path.name for path in out.iterdir()}


# --- settings of a plot that are not ours ------------------------------------------------------


def draw(path: str) -> None:
    """Draw a run whose names would mean something to TeX."""
    plan = plan_of(
        'ftr 1\nname = "${USER}_${RUN}"\ndata {\n  train = folder("photos")\n}\nbase = gluon("resnet18_v2")\n'
        'stage "cost in $ of lr_$ ^ \\\\frac{" {\n  train = head\n  for = 2 epochs\n}\n',
        data=facts(),
    )
    record = Record(None)  # type: ignore[arg-type] - nothing is written
    record.remember(StageStarted(plan.stages[0], 0))
    for step in range(1, 7):
        record.remember(StepFinished(0, 1, step, 1 / step, 1e-3, 32))
    record.remember(Evaluated(0, 1, 6, "valid", dict.fromkeys(METRICS, 0.5), 0.5, True))
    draw_curves(Path(path), plan, record)


def _drawn(folder: Path, **environment: str) -> str:
    """Draw in a process of its own, in a folder; return a digest of the picture."""
    code = "import sys; from test_writer import draw; draw(sys.argv[1])"
    known = {name: value for name, value in os.environ.items() if not name.startswith("MPL")}
    paths = f"{ROOT}:{TESTS}:{Path(__file__).parent}"
    done = subprocess.run(
        [sys.executable, "-c", code, "curves.png"],
        cwd=folder,
        env={**known, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert sorted(path.name for path in folder.iterdir() if path.suffix in (".png", ".tmp")) == ["curves.png"]
    return hashlib.sha256((folder / "curves.png").read_bytes()).hexdigest()


SETTINGS = b"""text.usetex: True
savefig.dpi: 20000
figure.dpi: 7
savefig.format: svg
font.family: A Font That Nobody Has
axes.prop_cycle: nonsense
text.color: red
"""


def test_the_settings_of_the_picture_are_ours_alone(tmp_path: Path) -> None:
    ours = tmp_path / "plain.png"
    draw(str(ours))
    expected = hashlib.sha256(ours.read_bytes()).hexdigest()
    with Image.open(ours) as image:
        assert image.size == (800, 900)
        assert len(image.convert("RGB").getcolors(1 << 16)) > 50
    read_only = tmp_path / "home"
    read_only.mkdir()
    (read_only / "matplotlib").write_text("a file where a folder should be")
    homes = {"HOME": str(read_only), "XDG_CONFIG_HOME": str(read_only), "XDG_CACHE_HOME": str(read_only)}
    for name, content, environment in (
        ("settings", SETTINGS, homes),
        ("no text", b"\xff\xfe", {"MPLBACKEND": "module://a_notebook.backend_inline"}),
    ):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "matplotlibrc").write_bytes(content)
        assert _drawn(folder, **environment) == expected, name
