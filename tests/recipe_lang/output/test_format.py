"""The formatter: one layout, comments kept, the same nodes; and the command that rewrites files."""

from __future__ import annotations

import os
import random
import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra.lark import from_lark
from lark import Lark
from paths import ROOT, TESTS
from recipes_at_random import STRINGS, generated

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.output.formatter import WIDTH, format_text, node_text, recipe_text
from recipe_lang.output.identity import recipe_hash
from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from recipe_lang.syntax import nodes
from recipe_lang.syntax.parser import decode_source
from runtime.cli import app
from runtime.vocabulary import VOCABULARY

RECIPES = sorted(TESTS.glob("../recipes/**/*.ftr"))
CASES = [
    pytest.param(*(part.lstrip("\n") if not part.strip() else part for part in (before, after)), id=title)
    for title, before, after in re.findall(
        r"^=== (.*)\n((?:.*\n)*?)--- becomes\n((?:(?!===).*\n)*)", (TESTS / "format.txt").read_text(), re.MULTILINE
    )
]


def formatted(text: str) -> str:
    return format_text(Source("recipe.ftr", text))


def meaning(text: str) -> Any:
    """Return the nodes of a text, units in the singular."""
    recipe = parse(Source("recipe.ftr", text))
    assert recipe.problems == (), text
    return singular(recipe.items)


def singular(node: Any) -> Any:
    if isinstance(node, tuple):
        return tuple(singular(each) for each in node)
    if isinstance(node, nodes.Number):
        return replace(node, unit=node.unit and re.sub("^(epoch|step|image)s$", r"\1", node.unit))
    if not is_dataclass(node):
        return node
    return (type(node), *(singular(getattr(node, each.name)) for each in fields(node) if each.compare))


def comments(text: str) -> list[str]:
    return [token.rstrip() for token in re.findall(r'"(?:\\.|[^"\\\n])*"|#[^\n]*', text) if token[0] == "#"]


# --- the layout -------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "after"), CASES)
def test_layout(before: str, after: str) -> None:
    assert formatted(before) == after
    assert formatted(after) == after
    assert meaning(after) == meaning(before)
    assert comments(after) == comments(before)


def test_there_are_cases() -> None:
    assert len(CASES) >= 13


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_recipes_are_canonical(path: Path) -> None:
    assert formatted(path.read_text(encoding="utf-8")) == path.read_text(encoding="utf-8")


def test_line_ends_and_the_byte_order_mark() -> None:
    source = decode_source(b"\xef\xbb\xbfftr 1\r\nx = [ # a\r\n1]  # b\r\n\r\n\r\n# c\r", "recipe.ftr")
    assert format_text(source) == "ftr 1\nx = [  # a\n  1,\n]  # b\n\n# c\n"


@pytest.mark.parametrize("text", ["x = [", "x = 1 }", 'x = "a', "x = 1 y = 2", 'x = "\\q"', "x = " + "(" * 99])
def test_a_broken_text_is_refused_with_its_problems(text: str) -> None:
    with pytest.raises(RecipeError) as caught:
        formatted(text)
    assert all(problem.code.startswith("E1") and problem.span for problem in caught.value.problems)


@pytest.mark.parametrize("brackets", ["[]", "{}", "()"])
def test_deep_nesting(brackets: str) -> None:
    opener, closer = {"[": ("[", "]"), "{": ("{ k = ", "}"), "(": ("f(", ")")}[brackets[0]]
    text = "x = " + opener * 32 + "1, 2" * (brackets != "{}") + "1" * (brackets == "{}") + closer * 32
    assert meaning(formatted(text)) == meaning(text)
    assert formatted(formatted(text)) == formatted(text)


# --- whatever the text ------------------------------------------------------------------------

RANDOM = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],  # to shrink a failure would take minutes
    suppress_health_check=list(HealthCheck),
)


def scattered(text: str, rng: random.Random) -> str:
    """Lay a text out anew at random, with comments wherever the grammar takes one."""
    out: list[str] = []
    opened: list[str] = []
    before = ""
    for token in re.findall(r'"(?:\\.|[^"\\\n])*"|#[^\n]*|\.\.|\n|[ ]|[\w.$]+|\S', text):
        if token in ")]}":
            if opened.pop() == "free" and before not in "([{," and rng.random() < 0.3:
                out.append(",")
            out.append(break_or_space(rng, 0.3))
        out.append(token if token != "\n" else break_or_space(rng, 1))
        if token == "(" and not out[-1][:1].isalpha():
            opened.append("parentheses")
        elif token in "([{":
            opened.append("block" if token == "{" and before != "=" and "free" not in opened else "free")
        if token in "([{,":
            out.append(break_or_space(rng, 0.3))
        before = before if token.isspace() or token[0] == "#" else token
    return "".join(out)


def break_or_space(rng: random.Random, share: float) -> str:
    """Return spaces, or, with this probability, line ends and comments."""
    spaces = "".join(rng.choices(" \t", k=rng.randint(0, 2)))
    if rng.random() >= share:
        return spaces
    ends = [
        f'# c{rng.randint(0, 99)} " ( [ {{ , = #{rng.choice(("", " ", "é"))}' * (rng.random() < 0.4)
        + rng.choice(("\n", "\n", "\r\n"))
        for _ in range(rng.choice((1, 1, 1, 2, 3)))
    ]
    return spaces + spaces.join(ends) + spaces


def check_layout(text: str) -> str:
    """Assert what holds of every text that parses."""
    result = formatted(text)
    assert meaning(result) == meaning(text)
    assert formatted(result) == result
    assert sorted(comments(result)) == sorted(comments(text))
    lines = re.sub("#.*", "#", result)
    assert not re.search(r"\s\n\n|\A\n|\n\n\Z|[ \t\r]$|^ *\t|\{\n\n|\n\n *\}", lines, re.MULTILINE)
    assert result == "" or result.endswith("\n")
    return result


@settings(RANDOM, max_examples=25)
@given(st.randoms(use_true_random=False))
def test_any_layout_of_a_generated_recipe(rng: random.Random) -> None:
    plain = generated(rng)
    text = scattered(plain, rng)
    assert meaning(text) == meaning(plain), text
    check_layout(text)


GRAMMAR = Lark((ROOT / "recipe_lang" / "syntax" / "grammar.lark").read_text(), parser="lalr", maybe_placeholders=True)
FROM_GRAMMAR = from_lark(
    GRAMMAR,
    explicit={
        "_NL": st.sampled_from(["\n", " # a comment\n", "\r\n\n  ", "\n#b # \n\n\n# c\n"]),
        "NAME": st.sampled_from([" train ", " head ", " in ", " then ", " x1 ", " epochs ", " px "]),
        "DOTTED": st.just(" base.block3 "),
        "NUMBER": st.sampled_from([" 1", " 0.50", " 1e-4", " 1e999"]),
        "STRING": st.sampled_from(STRINGS),
    },
)


@settings(RANDOM, max_examples=30)
@given(FROM_GRAMMAR)
def test_texts_from_the_grammar_itself(text: str) -> None:
    if not parse(Source("recipe.ftr", text)).problems:
        check_layout(text)


@settings(RANDOM, max_examples=40)
@given(st.randoms(use_true_random=False))
def test_nodes_without_their_text_are_spelled_from_their_values(rng: random.Random) -> None:
    recipe = parse(Source("recipe.ftr", generated(rng)))
    again = recipe_text(placeless(recipe))
    assert meaning(again) == singular(recipe.items)
    assert formatted(again) == again


def placeless(node: Any) -> Any:
    if isinstance(node, tuple):
        return tuple(placeless(each) for each in node)
    if not is_dataclass(node) or isinstance(node, Source):
        return node
    nowhere = Source("nowhere", "").span(0, 0)
    changed = {
        each.name: placeless(getattr(node, each.name)) if each.compare else nowhere
        for each in fields(node)
        if each.name != "parent"
    }
    return replace(node, **changed)  # type: ignore[type-var]


def test_what_checks_keeps_its_hash() -> None:
    for path in RECIPES:
        source = Source(str(path), path.read_text(encoding="utf-8"))
        rng = random.Random(path.name)
        again = formatted(scattered(source.text, rng))
        hashes = {
            recipe_hash(check(parse(each), VOCABULARY), VOCABULARY) for each in (source, Source(source.name, again))
        }
        assert len(hashes) == 1


def test_what_can_be_opened_fits() -> None:
    rng = random.Random(5)
    for _ in range(100):
        for line in formatted(generated(rng)).splitlines():
            assert len(line) <= WIDTH or not re.search(r"[(\[{].*,.*[)\]}]", line)


# --- nodes from anywhere ----------------------------------------------------------------------


def test_the_text_of_a_node() -> None:
    nowhere = Source("nowhere", "").span(0, 0)

    def number(value: float, unit: str | None = None) -> nodes.Number:
        return nodes.Number(value, unit, nowhere)

    assert node_text(number(3.0, "epoch")) == "3 epochs"
    assert node_text(number(1e-5)) == "1e-05"
    assert node_text(number(float("inf"))) == "1e999"
    assert node_text(nodes.Text('a"\\\n\r\t\x07é', nowhere)) == r'"a\"\\\n\u000d\t\u0007é"'
    product = nodes.Arithmetic(number(2), (("*", nodes.Arithmetic(number(1), (("+", number(1)),), nowhere)),), nowhere)
    assert node_text(product) == "2 * (1 + 1)"
    other = Source("other.json", '"a\\/b" 1E3')
    assert node_text(nodes.Text("a/b", other.span(0, 6))) == '"a/b"'
    assert node_text(nodes.Number(1000.0, None, other.span(7, 10))) == "1E3"
    assert node_text(nodes.Number(5.0, None, other.span(7, 10))) == "5"


def test_a_recipe_of_several_texts() -> None:
    one = parse(Source("one.ftr", "ftr 1 # gone\nname='x'\n".replace("'", '"')))
    two = parse(Source("two.ftr", "param p = 1\n\nparam long=2\ndata { size = 064px # gone\n\n\nx = [1,\n] }\nseed=1"))
    merged = nodes.Recipe(one.source, (*one.items, *two.items))
    assert recipe_text(merged) == (
        'ftr 1\n\nname = "x"\n\nparam p    = 1\nparam long = 2\n\ndata {\n  size = 064px\n  x    = [1]\n}\n\nseed = 1\n'
    )


# --- speed ------------------------------------------------------------------------------------


def test_ten_thousand_lines() -> None:
    stage = (
        'stage "{}" {{\n  train = head # the head\n  for = 3 epochs\n  optimizer = adam(lr = 1e-3, eps = 1e-8)\n}}\n\n'
    )
    text = "ftr 1\n" + "".join(stage.format(number) for number in range(1_700))
    start = time.process_time()
    result = formatted(text)
    assert time.process_time() - start < 10
    assert result.count("\n") > 10_000


@pytest.mark.parametrize(
    "text",
    [
        "x = [" + "1, " * 10_000 + "]",
        "x = " + "1 + " * 10_000 + "1",
        "x = [" + "#\n" * 50_000 + "]",
        "# c\n" * 50_000,
        "x = [" + "[ " * 30 + "1, " * 2_000 + "]" * 30 + "]",
        "x = f(" + "[f(), {}], " * 2_500 + ")",
    ],
    ids=lambda text: text[:12],
)
def test_texts_made_to_be_slow(text: str) -> None:
    start = time.process_time()
    formatted(text)
    assert time.process_time() - start < 5


# --- the command ------------------------------------------------------------------------------

MESSY, NEAT, BROKEN = b"ftr 1\r\nx=1", b"ftr 1\nx = 1\n", b"ftr 1\nx = [\n"


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Fmt = Callable[..., Outcome]


@pytest.fixture
def fmt(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fmt:
    """Run the command in this process, in the test's folder."""
    monkeypatch.chdir(tmp_path)

    def call(*args: object) -> Outcome:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            app(args=["fmt", *map(str, args)], prog_name="ftr")
        assert isinstance(ended.value.code, int)
        return Outcome(ended.value.code, *capfd.readouterr())

    return call


def write(path: Path, data: bytes = MESSY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_files_are_rewritten_and_named(fmt: Fmt, tmp_path: Path) -> None:
    messy, neat = write(tmp_path / "a.ftr"), write(tmp_path / "b.ftr", NEAT)
    messy.chmod(0o640)
    before = neat.stat()
    assert fmt("a.ftr", "b.ftr") == (0, "a.ftr\n", "")
    assert messy.read_bytes() == NEAT
    assert stat.S_IMODE(messy.stat().st_mode) == 0o640
    assert (neat.stat().st_mtime_ns, neat.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert fmt("a.ftr", "b.ftr") == (0, "", "")
    assert sorted(os.listdir(tmp_path)) == ["a.ftr", "b.ftr"]


def test_check_and_diff_write_nothing(fmt: Fmt, tmp_path: Path) -> None:
    messy = write(tmp_path / "a.ftr")
    write(tmp_path / "b.ftr", NEAT)
    assert fmt("--check", "a.ftr", "b.ftr") == (1, "a.ftr\n", "")
    assert fmt("--check", "b.ftr") == (0, "", "")
    code, out, err = fmt("--diff", "a.ftr", "b.ftr")
    assert (code, err) == (0, "")
    assert out.split("\n")[:3] == ["--- a.ftr", "+++ a.ftr", "@@ -1,2 +1,2 @@"]
    assert fmt("--diff", "--check", "a.ftr") == (1, out, "")
    assert messy.read_bytes() == MESSY
    patched = subprocess.run(["patch", "-o", "-", "a.ftr"], input=out.encode(), capture_output=True, cwd=tmp_path)
    assert patched.stdout == NEAT


def test_a_broken_file_is_left_and_the_others_are_formatted(fmt: Fmt, tmp_path: Path) -> None:
    broken, messy = write(tmp_path / "a.ftr", BROKEN), write(tmp_path / "b.ftr")
    code, out, err = fmt("a.ftr", "missing.ftr", "b.ftr")
    assert (code, out) == (2, "b.ftr\n")
    assert "a.ftr:2:5" in err
    assert "cannot read missing.ftr: No such file" in err
    assert (broken.read_bytes(), messy.read_bytes()) == (BROKEN, NEAT)
    assert fmt("--check", "a.ftr").code == 2


def test_folders(fmt: Fmt, tmp_path: Path) -> None:
    for name in ("z.ftr", "deep/er/a.ftr", "deep/b.ftr", "deep/b.txt", ".hidden/c.ftr"):
        write(tmp_path / name)
    (tmp_path / "folder.ftr").mkdir()
    assert fmt(".", "z.ftr") == (0, "z.ftr\ndeep/b.ftr\ndeep/er/a.ftr\n", "")
    assert (tmp_path / ".hidden/c.ftr").read_bytes() == (tmp_path / "deep/b.txt").read_bytes() == MESSY


def test_a_symlink_stays_one(fmt: Fmt, tmp_path: Path) -> None:
    real = write(tmp_path / "real" / "a.ftr")
    link = tmp_path / "link.ftr"
    link.symlink_to("real/a.ftr")
    assert fmt("link.ftr") == (0, "link.ftr\n", "")
    assert link.is_symlink()
    assert real.read_bytes() == NEAT


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_what_may_not_be_read_or_written_is_said(fmt: Fmt, tmp_path: Path) -> None:
    write(tmp_path / "folder" / "a.ftr")
    (tmp_path / "folder").chmod(0o500)
    write(tmp_path / "b.ftr").chmod(0o400)
    write(tmp_path / "c.ftr").chmod(0)
    write(tmp_path / "closed" / "d.ftr").parent.chmod(0)
    try:
        code, out, err = fmt("folder", "b.ftr", "c.ftr", "closed")
    finally:
        (tmp_path / "folder").chmod(0o700)
        (tmp_path / "closed").chmod(0o700)
    assert (code, out) == (2, "")
    for said in ("write folder/a.ftr", "write b.ftr", "read c.ftr", "read closed"):
        assert f"cannot {said}: Permission denied" in err
    assert "Traceback" not in err


def test_a_failure_to_write_leaves_the_file_and_nothing_else(
    fmt: Fmt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messy = write(tmp_path / "a.ftr")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    code, out, err = fmt("a.ftr")
    assert (code, out) == (2, "")
    assert "cannot write a.ftr: No space left on device" in err
    assert messy.read_bytes() == MESSY
    assert os.listdir(tmp_path) == ["a.ftr"]


def test_a_recipe_in_json_stays_json(fmt: Fmt, tmp_path: Path) -> None:
    path = write(tmp_path / "a.ftr.json", b'{"ftr": 1, "data": {"size": {"number": 64, "unit": "px"}}}')
    before = parse(decode_source(path.read_bytes(), path.name)).items
    assert fmt("a.ftr.json") == (0, "a.ftr.json\n", "")
    assert path.read_bytes().count(b"\n") > 3
    assert parse(decode_source(path.read_bytes(), path.name)).items == before
    assert fmt("a.ftr.json") == (0, "", "")


def piped(data: bytes, *args: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "runtime", "fmt", *args], input=data, capture_output=True)


def test_standard_input() -> None:
    done = piped("ftr 1\nname='é漢'".replace("'", '"').encode(), "-")
    assert (done.returncode, done.stdout, done.stderr) == (0, 'ftr 1\nname = "é漢"\n'.encode(), b"")
    done = piped(MESSY, "--check", "-")
    assert (done.returncode, done.stdout) == (1, b"<stdin>\n")
    done = piped(BROKEN, "-")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"<stdin>:2:5" in done.stderr
    assert b"E108" in piped(b"\xff\xfe", "-").stderr
