"""The first ten minutes: commands and options of other tools, paths of the wrong kind; each gets one right answer."""

from __future__ import annotations

import re
from pathlib import Path
from shlex import split

import click
import pytest
from click.testing import CliRunner

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.source import Source
from runtime.cli import COMMANDS, app
from runtime.commands.suggestions import _COMMANDS, _IN_RECIPE, _OPTIONS, instead_of_command
from runtime.vocabulary import VOCABULARY

RECIPE = """\
ftr 1
param rate = 1e-3 in log(1e-5 .. 1e-1)
param length = 3 epochs
seed = 1
data {
  train = folder("photos")
  size = 64px
}
stage "head" {
  train = head
  for = 2 epochs
  optimizer = adam(lr = 5e-3)
}
stage "top" {
  train = base.block7 .. head
  for = 1 epoch
  optimizer = adam(lr = 1e-3)
}
"""
WITH_PARAMETERS = RECIPE.replace("lr = 5e-3", "lr = $rate").replace("2 epochs", "$length")
PLAIN = re.sub(r"param.*\n", "", RECIPE)

ROWS = [
    # commands
    ("train a.ftr", "write `ftr run a.ftr`"),
    ("train photos", "write `ftr new photos`"),
    ("train runs/a-2", "write `ftr run --resume runs/a-2`"),
    ("fit", "write `ftr run FILE`"),
    ("fine-tune a.ftr --seed 3", "write `ftr run a.ftr`"),
    ("init photos", "write `ftr new photos`"),
    ("validate a.ftr", "write `ftr check a.ftr`"),
    ("eval a.ftr", "write `ftr evaluate runs/a-10`"),
    ("eval b.ftr", "write `ftr evaluate RUN`"),
    ("val runs/a-1", "write `ftr evaluate runs/a-1`"),
    ("test runs/a-1", "write `ftr evaluate runs/a-1`"),
    ("infer runs/a-1 x.jpg 'my y.jpg'", "write `ftr predict runs/a-1 x.jpg 'my y.jpg'`"),
    ("ls", "write `ftr runs`"),
    ("list", "write `ftr runs`"),
    ("history runs", "write `ftr runs`"),
    ("docs adam", "write `ftr explain adam`"),
    ("hpo a.ftr", "ftr tune a.ftr"),
    ("chek a.ftr", "did you mean `ftr check`?"),
    ("a.ftr", "write `ftr run a.ftr`"),
    ("runs/a-1", "write `ftr evaluate runs/a-1`"),
    ("photos", "write `ftr new photos`"),
    ("quux", "`ftr --help` lists them"),
    # what changes the result stands in the recipe
    ("run a.ftr --random-seed 3", "write `--seed 3`"),
    ("run a.ftr --batch 16", "write `batch = 16` in the block `data` of a.ftr"),
    ("run a.ftr --batch-size 16", "write `batch = 16` in the block `data` of a.ftr"),
    ("run a.ftr --lr 1e-3", "write `lr = 1e-3` in lines 10 and 15 of a.ftr"),
    ("run a.ftr --epochs 5", "write `for = 5 epochs` in lines 9 and 14 of a.ftr"),
    ("run a.ftr --epochs 1", "write `for = 1 epoch` in lines 9 and 14 of a.ftr"),
    ("run a.ftr --max-steps 500", "write `for = 500 steps` in lines 9 and 14 of a.ftr"),
    ("run a.ftr epochs=5 lr0=0.1", "write `for = 5 epochs` in lines 9 and 14 of a.ftr"),
    ("run a.ftr --imgsz 128", "write `size = 128px` in line 5 of a.ftr"),
    ("run a.ftr --data pictures", 'write `train = folder("pictures")` in line 4 of a.ftr'),
    ("run a.ftr --model resnet50", 'write `base = gluoncv("resnet50_v1b")` at the top, outside the blocks of a.ftr'),
    ("run a.ftr --optimizer AdamW", "write `optimizer = adamw` in lines 10 and 15 of a.ftr"),
    ("run a.ftr --weight-decay 1e-4", "write `weight_decay = 1e-4` in `adam(…)`, lines 10 and 15 of a.ftr"),
    ("run a.ftr --label-smoothing 0.1", "write `loss = cross_entropy(label_smoothing = 0.1)` at the top"),
    ("run a.ftr --warmup 10%", "write `schedule = cosine(warmup = 10%)` in a stage of a.ftr"),
    ("run a.ftr --patience 3", "write it in the stop rule"),
    ("run a.ftr --name x", 'write `name = "x"` at the top'),
    ("run a.ftr --freeze 3", "the rest is frozen: `train = head`"),
    ("run a.ftr --amp", "not in this release: training is in 32 bits"),
    ("run a.ftr --mixup 0.2", "write `augment = [flip, mixup(0.2)]`"),
    ("plan a.ftr --epochs 5", "`ftr plan` takes no `--epochs`"),
    ("run --epochs 5", "write `for = 5 epochs` in a stage"),
    ("run b.ftr --lr 1e-2", "write `--set rate=1e-2`"),
    ("run b.ftr --rate 1e-2", "write `--set rate=1e-2`"),
    ("run b.ftr --epochs 5", "write `--set 'length=5 epochs'`"),
    ("run b.ftr rate=3", "write `--set rate=3`"),
    # where it runs is an option, under our name
    ("run a.ftr --gpu", "write `--device gpu`"),
    ("run a.ftr --output there", "write `--out there`"),
    ("run a.ftr --num-workers 4", "write `--workers 4`"),
    ("predict runs/a-1 x.jpg --topk 5", "write `--top 5`"),
    # paths
    ("run photos", "`ftr new photos` writes a recipe for its images"),
    ("run .", "write `ftr run a.ftr`, or another of its 2 recipes"),
    ("run runs/a-1", "`ftr verify runs/a-1` trains it again"),
    ("run runs/a-2", "`ftr run --resume runs/a-2` resumes it"),
    ("plan runs/a-1", "write `ftr plan runs/a-1/resolved.ftr`"),
    ("show runs/a-1", "write `ftr show runs/a-1/resolved.ftr`"),
    ("predict a x.jpg", "did you mean runs/a-10?"),
    ("predict runs/a x.jpg", "did you mean runs/a-10?"),
    ("evaluate a.ftr", "did you mean runs/a-10?"),
    ("pack a", "did you mean runs/a-10?"),
    ("run --resume a", "did you mean runs/a-10?"),
    ("evaluate b.ftr", "`ftr run b.ftr` trains it"),
    ("runs nothere", "there is no folder nothere"),
]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.ftr").write_text(PLAIN)
    Path("b.ftr").write_text(WITH_PARAMETERS)
    Path("photos/cat").mkdir(parents=True)
    for name in ("a-1", "a-2", "a-10"):
        Path("runs", name).mkdir(parents=True)
        Path("runs", name, "plan.json").touch()
    Path("runs/a-1/result.json").write_text('{"status": "finished", "missing": []}')


@pytest.mark.parametrize(("typed", "said"), ROWS, ids=[row[0] for row in ROWS])
def test_a_first_step_gets_the_right_answer(typed: str, said: str) -> None:
    result = CliRunner().invoke(app, split(typed))
    assert result.exit_code == 2, result.output
    assert said in result.stderr.rpartition("Error: ")[2]
    assert len(result.stderr.rpartition("Error: ")[2].splitlines()) == 1


@pytest.mark.parametrize("words", ["help run", "--help run", "-h run", "run --help"])
def test_help_of_a_command_is_found(words: str) -> None:
    result = CliRunner().invoke(app, split(words))
    assert (result.exit_code, "Train a recipe" in result.stdout) == (0, True)


def test_help_alone_lists_the_commands() -> None:
    assert CliRunner().invoke(app, ["help"]).stdout == CliRunner().invoke(app, ["--help"]).stdout


def test_the_runs_of_a_folder_that_is_not_asked_for_may_be_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path / "photos")
    result = CliRunner().invoke(app, ["runs"])
    assert (result.exit_code, result.stdout) == (0, "no runs in runs\n")


def test_the_answers_name_commands_and_options_that_there_are() -> None:
    context = click.Context(app)
    commands = [app.get_command(context, name) for name in COMMANDS]
    options = {name for command in commands if command for each in command.params for name in each.opts}
    for word, forms in _COMMANDS.items():
        assert word not in COMMANDS
        for name in (found for form in forms for found in re.findall(r"\bftr (\w[\w-]*)", form)):
            assert name in COMMANDS, word
    for word, ours in _OPTIONS.items():
        assert ours.split()[0] in options or ours == "--{}", word
        assert f"--{word}" not in options or len(word) == 1 or f"--{word}" in ("--force", "--strict"), word


def test_what_is_to_be_typed_is_a_command() -> None:
    for word in _COMMANDS:
        for command in re.findall(r"write `ftr ([^\s`]+)", instead_of_command([word], COMMANDS)):
            assert command in COMMANDS or command.startswith("--"), word


def test_what_is_to_be_written_checks() -> None:
    for option in _IN_RECIPE:
        name, _ = _IN_RECIPE[option]
        if name in ("weight_decay", "name", "train", "valid"):
            continue
        value = {
            "base": "efficientnet_lite0",
            "optimizer": "sgd",
            "schedule": "step",
            "lr": "1e-2",
            "label_smoothing": "0.1",
            "warmup": "10%",
        }
        dashes = "-" if len(option) == 1 else "--"
        result = CliRunner().invoke(app, ["run", "a.ftr", f"{dashes}{option}", value.get(name, "96")])
        said = re.search(r"write `(.*?)` (.*)", result.stderr)
        assert said, (option, result.stderr)
        text = PLAIN
        lines = text.splitlines()
        places = re.match(r"in lines? ([\d, and]+)", said[2])
        if places:
            for number in map(int, re.findall(r"\d+", places[1])):
                lines[number - 1] = re.sub(rf"\b{name} = [^()\n]+(?<! )", said[1], lines[number - 1], count=1)
        else:
            at = 1 if said[2].startswith("at the top") else 4 if "`data`" in said[2] else 8
            lines.insert(at, said[1])
        check(parse(Source("a.ftr", "\n".join(lines) + "\n")), VOCABULARY)


def test_click_still_answers_what_no_table_knows() -> None:
    for words, said in [("run a.ftr --quite", "--quiet"), ("run a.ftr b.ftr", "unexpected extra argument")]:
        result = CliRunner().invoke(app, split(words))
        assert (result.exit_code, said in result.stderr) == (2, True)
    assert isinstance(app, click.Group)
