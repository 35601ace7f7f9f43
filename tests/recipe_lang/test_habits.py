"""What people type out of habit, from YAML, TOML, JSON, Python or another tool: the help names the right form.

Each row is one statement and where it stands; the expected codes are those of errors, in reading order. Where the help
is beyond doubt, its edits put the mistake right and bring no new one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from paths import TESTS

from recipe_lang.check.checker import check
from recipe_lang.compose.load import load, parse
from recipe_lang.output.fix import fix
from recipe_lang.output.render import render
from recipe_lang.problem import Problem, RecipeError
from recipe_lang.source import Source
from runtime.vocabulary import VOCABULARY
from runtime.vocabulary.aliases import FOREIGN

BROKEN = sorted(TESTS.glob("broken/*.ftr"))
RULES = re.compile(r"E4[2-4]\d")  # looked at only where all else is right

STAGE = [
    # YAML, and other signs for `=`
    ("optimizer: adam", "E101", "write `=` instead of `:`"),
    ("l1 := 0.1", "E101", "given with `=`"),
    ("l1 -> 0.1", "E101", "given with `=`"),
    ("l1 => 0.1", "E101", "one `=`"),
    ("- item", "E101", "`[a, b]`"),
    ("optimizer adam", "E101", "`optimizer = …`"),
    ("optimizer: {type: adam}", "E101 E101", "`optimizer {` … `}`"),
    # Python
    ("optimizer = adam(lr = 0.1),", "E101", "remove the `,`"),
    ("optimizer = optim.Adam(lr = 0.1)", "E203 E101", "did you mean `adam`?"),
    ("optimizer = optim.Adam", "E301", "write `adam`"),
    ("optimizer = 'adam'", "E101 E301", "straight double quotes"),
    ('optimizer = {"name": "adam"}', "E301 E101", "round brackets"),
    ("optimizer = adam(lr = lambda x: x)", "E101", "no code"),
    ('optimizer = adam(lr = f"{x}")', "E101", "a parameter is `$name`"),
    ("optimizer = adam(betas = (0.9, 0.999))", "E206 E101", "`beta1 = 0.9`"),
    ("optimizer = adam(decay_norms = True)", "E301", "`true`"),
    ("clip = None", "E301", "`none`"),
    ("l1 = 0.1 if true else 0", "E101", "no code"),
    ("loss = nn.CrossEntropyLoss()", "E203 E101", "`cross_entropy`"),
    ("optimizer = AdamW(lr = 0.1, bad = 3)", "E203 E206", "`adamw`"),
    ("'''a comment'''", "E101", "a comment begins with `#`"),
    # quotes, units, brackets
    ('optimizer = "adam"', "E301", "without the quotes: `adam`"),
    ('monitor = "valid.accuracy"', "E301", "without the quotes: `valid.accuracy`"),
    ("augment = flip(horizontal)", "E301", "`[flip(horizontal)]`"),
    ("augment = [flip color_jitter(0.2)]", "E101", "a comma"),
    ("stop = 3", "E301", "`early(patience = 3 epochs)`"),
    ("stop = 1", "E301", "`early(patience = 1 epoch)`"),
    ("lr_scale = 0.1", "E301", "`{ base.block3 = 0.1, head = 1 }`"),
    ("optimizer = adam lr = 0.1", "E101 E201", "one line holds one statement"),
    ("optimizer = sgd momentum 0.9", "E101", "`sgd(name = …)`"),
    ("l1 = 0.1; norm = frozen", "E101", "remove the `;`"),
    ("l1 = …", "E101", "in place of the dots"),
    ("weight_decay = 1e-4", "E201", "in the optimizer"),
    ("epochs = 3", "E201", "`for = 10 epochs`"),
    ("scheduler = cosine", "E201", "`schedule`"),
    ("monitor = test.accuracy", "E207", "does not choose between weights: write `valid.accuracy`"),
    ("stop = early(test.loss)", "E207", "does not choose between weights: write `valid.loss`"),
    ("schedule = multistep([30%])", "E301", ""),
    ("schedule = cosine(warmup = 2)", "E303", "`2 epochs`"),
    ("schedule = step(step_size = 1 epoch)", "E206", "`every`"),
    ("schedule = step(every = 1 Epochs)", "E303", "`1 epoch`"),
    ("lr_scale = { base = 0.1 }", "E424", "add them to `train`"),
    ("norm = freeze", "E208", "`frozen`"),
    ("optimizer = adam(lr = 1e-400)", "E307", ""),
    ('optimizer = "Adam"', "E301", "write `adam`"),
    ("freeze = base", "E201", "the rest is frozen"),
    ("schedule = cosine(10)", "E304", "`warmup = …`"),
    ("ema = true", "E201", "write `average = ema(0.999)` in a stage"),
    ("amp = true", "E201", "32 bits"),
    ("loss = cross_entropy(class_weights = balanced)", "E206", "`monitor = valid.balanced_accuracy`"),
    ("loss = focal(2)", "E203", "the loss is `cross_entropy`"),
    ("schedule = onecycle", "E203", "did you mean `one_cycle`?"),
    ("optimizer = muon(1e-4)", "E203", "the optimizers are"),
    ("warmup_ratio = 0.1", "E201", "`schedule = cosine(warmup = 10%)`"),
    ("load_best_model_at_end = true", "E201", "`monitor = valid.accuracy`"),
    ("gradient_clip_val = 1.0", "E201", "`clip = global_norm(1.0)`"),
    ("backbone_lr = 1e-4", "E201", "`lr_scale"),
    ("schedule = cosine(warmup = 1)", "E303", "`1 epoch`"),
    ("schedule = cosine(warmup = 100%)", "E301", ""),
    ("schedule = cosine(warmup = 1.5)", "E303", "`1.5 epochs`"),
    ("stop = early(patience = 2)", "E303", "`2 epochs`"),
    ("stop = early(patience = 2.5)", "E303", ""),
    ("stop = early(patience = 10%)", "E301", ""),
    ("lr_scale = { base .. head = 1 }", "E301", "`all`"),
    ("lr_scale = { base .. base.block2 = 1 }", "E301", "`base.stem .. base.block2`"),
    ("optimizer = sgd(momentum = 1.5)", "E302", ""),
]
TOP = [
    ('name = r"a"', "E101", "nothing before its quote"),
    ('loss = "categorical_crossentropy"', "E301", "write `cross_entropy`"),
    ("scheduler = cosine", "E201", "`schedule` is a field of `stage`"),
    ("normalize = [0.5, 0.5, 0.5]", "E201", "`prepare = [normalize("),
    ('extends ["a.ftr", "b.ftr"]', "E101", "one parent only"),
    ('drop "top"', "E101", '`drop stage "top"`'),
    ("drop stage", "E101", '`drop stage "…"`'),
    ("base = resnet50", "E203", '`gluoncv("resnet50_v1b")`'),
    ('base = "resnet50_v1b"', "E301", '`gluoncv("resnet50_v1b")`'),
    ('base = "resnet50"', "E301", '`gluoncv("resnet50_v1b")`'),
    ("base = gluoncv.resnet18_v1b()", "E101", '`gluoncv("resnet18_v1b")`'),
    ("head = dense(classes)", "E301", "`[dense(classes)]`"),
    ("head = Linear(classes)", "E301", "`[dense(classes)]`"),
    ("name = my run", "E101", '`"my run"`'),
    ("name = my-run", "E301", '`"my-run"`'),
    ("let lr = 0.1", "E101", "`param lr = …`"),
    ("param lr = 1e-3 in (1e-5, 1e-1)", "E101", "`log(low .. high)`"),
    ("optimizer.lr = 0.1", "E101", "has no dot"),
    ('include "base.ftr"', "E101", '`extends "base.ftr"`'),
    ("device = gpu", "E201", "`ftr run --device gpu`"),
    ("seed = 1;", "E101", "remove the `;`"),
    ("seed ＝ 1", "E101", "wide letter"),
]
DATA = [
    ("valid = 20%", "E301", "`holdout(20%)`"),
    ('valid = "data/valid"', "E301", '`folder("data/valid")`'),
    ("size = 64", "E303", "`64px`"),
    ("size = (64, 64)", "E101", "one number, `size = 64px`"),
    ("size = [64px, 64px, 3px]", "E435", ""),
    ("size = 64 pixels", "E303", "`64px`"),
    ('size = "64px"', "E301", "without the quotes: `64px`"),
    ("augment = [random_resized_crop(scale = (0.4, 1.0))]", "E301 E101", "`0.4 .. 1.0`"),
    ("augment = [random_resized_crop(scale = 0.4)]", "E301", "`0.4 .. 1`"),
    ("augment = [random_resized_crop(scale = 0.4 - 1.0)]", "E301", "`0.4 .. 1.0`"),
    ("augment = [RandomResizedCrop(64)]", "E203 E303", "`64px`"),
    ("prepare = [normalize(mean = 0.5)]", "E403 E301", "`[0.5, 0.5, 0.5]`"),
    ("prepare = [normalize(0.5, 0.5)]", "E304 E304", "`mean = …`"),
    ('test = folder("x", on_error = skip)', "E206", "`on_error` is a field of `data`"),
    ("test = folder(./photos)", "E101", "double quotes"),
    ("batch = 2.5", "E309", "`2` or `3`"),
    ("batchsize = 3", "E201", "`batch`"),
    ("augmentation = [flip]", "E201", "`augment`"),
    ("normalize = [0.5, 0.5, 0.5]", "E201", "`prepare = [normalize("),
    ("size = 224x224", "E303", "`224px`"),
    ("size = 224x192", "E303", ""),
    ('test = "photos/test",', "E301 E101", '`folder("photos/test")`'),
    ("take = 10%", "E309", "`500 images`"),
    ("size = 4", "E303", ""),
    ("size = 0.5", "E303", ""),
    ("augment = [random_erasing(0.25)]", "E203", "did you mean `erasing`?"),
    ("augment = [mosaic]", "E203", "not in this release"),
    ("augment = [autoaugment]", "E203", "did you mean `auto_augment`?"),
    ("augment = [elastic_transform]", "E203", "`ftr explain augment`"),
    ("test = holdout(20%, stratified = true)", "E206", "is stratified by class"),
    ("imgsz = 64px", "E201", "`size`"),
    ("cache = ram", "E201", "--no-cache"),
    ("mixup_alpha = 0.2", "E201", "write `augment = [flip, mixup(0.2)]`"),
    ("augment = [random_cropp(0.25)]", "E203 E303", "did you mean `random_crop`?"),
    ("test = holdout(100)", "E302", ""),
    ("shuffle = true", "E201", "shuffled in each epoch"),
    ('path = "x"', "E201", '`train = folder("data/train")`'),
]
TAIL = [
    ('stage "x" { train = head, for = 1 epoch }', "E101", "one line holds one statement"),
    ('stage "x" { train = head; for = 1 epoch }', "E101", "remove the `;`"),
    ('stage "x" { train = head for = 1 epoch }', "E101", "one line holds one statement"),
    ('stage "x": {\n  train = head\n  for = 1 epoch\n}', "E101", '`stage "x" {`'),
    ('stage "x" = {\n  train = head\n  for = 1 epoch\n}', "E101", '`stage "x" {`'),
    ('stage "x" {\n  train = head,\n  for = 1 epoch\n}', "E101", "remove the `,`"),
    ("stage warm up {\n  train = head\n  for = 1 epoch\n}", "E101", '`stage "warm up" {`'),
    ("stage “x” {\n  train = head\n  for = 1 epoch\n}", "E101", '`stage "x" {`'),
    ("[stage]\ntrain = head\nfor = 1 epoch", "E101", "`stage {` … `}`"),
    ("[stage.x]\ntrain = head\nfor = 1", "E101 E303", "`stage {` … `}`"),
    ("stage x:\n  train = head\n  for = 1 epoch", "E101", '`stage "x" {` … `}`'),
    ("stage: x\n  train: head\n  for: 1 epoch", "E101", "`stage {` … `}`"),
    ("- stage:\n    train: head\n    for: 3", "E101", "`stage {` … `}`"),
    ('"stage": {\n}', "E101", "`stage {` … `}`"),
    ("stages {\n}", "E202", '`stage "…" {`'),
    ("model {\n}", "E202", "`base = …` goes at the top"),
    ("expect { accuracy >= 0.9 }", "E101", "`valid.accuracy`"),
    ("expect { valid.accuracy = 90% }", "E101", "`>=`"),
    ("expect { valid.accuracy ≥ 90% }", "E101", "`>=`"),
    ("expect = { valid.accuracy >= 0.9 }", "E101", "`expect {`"),
    ("expect {\n  valid.accuracy: 0.9\n}", "E101", "`>=`"),
    ("expect {\n  valid.accuracy >= 0.9 and valid.f1 > 0.8\n}", "E101", "a line of its own"),
    ("expect {\n  valid.accuracy >= 0.9,\n  valid.f1 >= 0.8,\n}", "E101 E101", "remove the `,`"),
    ("expect { valid.accuracy > 1.2 }", "E302", ""),
    ("expect {\n  valid.accuracy >= 90\n  accuracy >= 0.9\n}", "E302 E101", "`90%`"),
]
PLACES = {"stage": STAGE, "top": TOP, "data": DATA, "tail": TAIL}
ROWS = [(place, *row) for place, rows in PLACES.items() for row in rows]
SHAPE = (
    "ftr 1\n{top}\ndata {{\n  train = digits\n  {data}\n}}\n"
    'stage "head" {{\n  train = head\n  for = 2 epochs\n  {stage}\n}}\n{tail}\n'
)


def recipe(place: str, text: str) -> Source:
    return Source("recipe.ftr", SHAPE.format(**{"top": "", "data": "", "stage": "", "tail": "", place: text}))


def errors(source: Source) -> tuple[Problem, ...]:
    try:
        check(parse(source), VOCABULARY)
    except RecipeError as error:
        return tuple(problem for problem in error.problems if problem.is_error)
    return ()


@pytest.mark.parametrize(("place", "text", "codes", "words"), ROWS, ids=[row[1] for row in ROWS])
def test_a_habit_is_answered_once_with_the_right_form(place: str, text: str, codes: str, words: str) -> None:
    found = errors(recipe(place, text))
    shown = "\n".join(map(render, found))
    assert [problem.code for problem in found] == codes.split(), shown
    helps = [problem.help() for problem in found]
    assert any(words in each for each in helps) if words else helps == [""], shown


SENTENCES = [(word, answer) for word, answer in FOREIGN.items() if " " in answer]


@pytest.mark.parametrize("place", ["top", "data", "stage"])
def test_what_explain_says_of_a_word_of_other_tools_check_says_too(place: str) -> None:
    for word, answer in SENTENCES:
        found = errors(recipe(place, f"{word} = 1"))
        assert [problem.code for problem in found] == ["E201"], word
        assert found[0].help() == answer, word


def test_a_word_of_other_tools_is_known_in_any_spelling() -> None:
    for word in ("class_weights", "ClassWeights", "classWeights", "CLASS_WEIGHTS"):
        (problem,) = errors(recipe("stage", f"{word} = 1"))
        assert "`monitor = valid.balanced_accuracy`" in problem.help()


def test_what_stands_below_a_mistake_is_checked_too() -> None:
    text = "stage x {\n  train: hed\n  for = 3, epochs = 4\n  optimizer = adm(lr = 'a')\n}\n[expect]\nvalid.f2 >= 1"
    codes = [problem.code for problem in errors(recipe("tail", text))]
    assert codes == ["E101", "E101", "E204", "E303", "E101", "E201", "E203", "E101", "E301", "E101", "E207"]


def test_the_selectors_of_an_unknown_base_are_checked_where_they_can_be() -> None:
    text = (
        'stage "x" {\n  train = base.block99 .. head\n  for = 1 epoch\n}\nstage "y" {\n  train = fc\n  for = 1 epoch\n}'
    )
    source = recipe("tail", text)
    source = Source("recipe.ftr", source.text.replace("ftr 1\n", 'ftr 1\nbase = gluoncv("resnet5000")\n'))
    assert [(problem.code, problem.help()) for problem in errors(source)][1:] == [("E204", "did you mean `head`?")]


def test_a_setting_has_its_own_advice() -> None:
    text = recipe("top", "param lr = 0.1").text.replace("for", "optimizer = adam(lr = $lr)\n  for")
    for setting, words in [("lr", "NAME=VALUE"), ("lr=", "NAME=VALUE"), ("stage.for=3", "only parameters can be set")]:
        with pytest.raises(RecipeError) as caught:
            check(parse(Source("recipe.ftr", text)), VOCABULARY, [setting])
        assert [words in problem.help() for problem in caught.value.problems] == [True]


def test_a_setting_of_no_parameter_says_how_to_make_one() -> None:
    text = recipe("stage", "optimizer = adam(lr = 0.1)")
    for setting, name, where in [
        ("lr", "lr", "write `lr = $lr` in line 10"),
        ("optimizer.lr", "lr", "write `lr = $lr` in line 10"),
        ("stage.head.for", "for", "write `for = $for` in line 9"),
        ("beta1", "beta1", "write `beta1 = $beta1` in `adam(…)`, line 10"),
        ("data.batch", "batch", "write `batch = $batch` in the block `data`"),
        ("warmup", "warmup", "write `schedule = cosine(warmup = $warmup)` in a stage"),
        ("seed", "seed", "write `seed = $seed` at the top, outside the blocks"),
        ("device", "device", "use `$device` where it is needed"),
        ("dropout", "dropout", "use `$dropout` where it is needed"),
    ]:
        with pytest.raises(RecipeError) as caught:
            check(parse(text), VOCABULARY, [f"{setting}=3"])
        (problem,) = caught.value.problems
        only = "only parameters can be set: " if "." in setting else ""
        assert (problem.code, problem.help()) == ("E210", f"{only}add `param {name} = …` to the recipe and {where}")


def test_a_setting_of_a_field_that_a_parameter_gives_names_the_parameter() -> None:
    text = recipe("top", "param rate = 0.1").text.replace("for", "optimizer = adam(lr = $rate)\n  for")
    for setting in ("lr", "optimizer.lr"):
        with pytest.raises(RecipeError) as caught:
            check(parse(Source("recipe.ftr", text)), VOCABULARY, [f"{setting}=3"])
        assert [problem.help() for problem in caught.value.problems] == ["did you mean `rate`?"]


@pytest.mark.parametrize("part", ["base.head", "base.fc", "base.classifier"])
def test_the_head_is_no_part_of_the_base(part: str) -> None:
    (problem,) = errors(Source("recipe.ftr", recipe("top", "").text.replace("train = head", f"train = {part}")))
    assert problem.help() == "did you mean `head`?"


@pytest.mark.parametrize(
    ("name", "text", "code", "words"),
    [
        ("digits.json", '{"ftr": 1, "data": {"train": {"name": "digits"}}}', "E101", "`NAME.ftr.json`"),
        ("README.md", "# A title\n\n" + "Some prose, and more.\n" * 20 + "x = 1\ndata {\n}\n", "E111", "`ftr 1`"),
    ],
)
def test_another_text_gets_one_message(name: str, text: str, code: str, words: str) -> None:
    (problem,) = errors(Source(name, text))
    assert (problem.code, words in problem.help()) == (code, True)


def test_a_recipe_without_a_version_gets_all_its_mistakes_told() -> None:
    text = recipe("stage", "\n  ".join(f"x{number}: 1" for number in range(15))).text.removeprefix("ftr 1\n")
    assert len(errors(Source("recipe.ftr", text))) > 15


@pytest.mark.parametrize(
    ("parent", "words"),
    [
        ("bse.ftr", "did you mean {folder}/base.ftr?"),
        ("deep.ftr", "did you mean {folder}/sub/deep.ftr?"),
        ("other.ftr", ""),
        ("https://example.org/base.ftr", "a recipe is a file on this machine"),
    ],
)
def test_a_parent_that_is_not_there(parent: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("base.ftr", "sub/deep.ftr"):
        (tmp_path / name).write_text(recipe("top", "").text)
    child = tmp_path / "child.ftr"
    child.write_text(f'ftr 1\nextends "{parent}"\n')
    with pytest.raises(RecipeError) as caught:
        check(load(child), VOCABULARY)
    (problem,) = caught.value.problems
    assert problem.code == "E110"
    assert problem.help().startswith(words.format(folder=tmp_path)) if words else problem.help() == ""


def test_two_parents_are_one_mistake() -> None:
    (problem,) = errors(Source("recipe.ftr", 'ftr 1\nextends ["a.ftr", "b.ftr"]\nseed = 1\n'))
    assert "one parent only" in problem.help()


def test_after_fifty_mistakes_the_rest_is_left_and_nothing_is_said_to_be_missing() -> None:
    found = errors(Source("recipe.ftr", "ftr 1\ndata {\n" + "  = 1\n" * 500 + "}\n"))
    assert [problem.code for problem in found] == ["E101"] * 50


def test_a_mistake_above_indented_lines_stays_inside_the_statement() -> None:
    text = 'ftr 1\nstage "head" {;   train = base.block7, head   # two of them\n    for = 2 epochs\n'
    assert [problem.code for problem in errors(Source("recipe.ftr", text))][:3] == ["E104", "E101", "E101"]


@pytest.mark.parametrize("word", ["ftr", "param", "extends", "drop", "in", "then", "except"])
def test_a_word_of_the_language_can_begin_a_line_inside_brackets(word: str) -> None:
    text = f"ftr 1\nx = [\n  {word}(1),\n  {word},\n]\ny = f(\n  {word},\n  {word} = 1\n)\n"
    assert parse(Source("recipe.ftr", text)).problems == ()


# --- edits ------------------------------------------------------------------------------------


def spoken(problems: Sequence[Problem]) -> Counter[tuple[str, str]]:
    return Counter((problem.code, problem.message()) for problem in problems)


def assert_edits_help(source: Source) -> int:
    """Apply the edits of each problem on its own; return how many had some."""
    before = errors(source)
    fixable = [problem for problem in before if problem.edits()]
    for problem in fixable:
        text = source.text
        for edit in sorted(problem.edits(), key=lambda edit: edit.span.start, reverse=True):
            text = text[: edit.span.start] + edit.text + text[edit.span.end :]
        after = errors(Source(source.name, text))
        new = {code for code, _ in spoken(after) - spoken(before) if not RULES.fullmatch(code)}
        assert not new, "\n".join([render(problem), text, *map(render, after)])
        assert spoken(after)[problem.code, problem.message()] < spoken(before)[problem.code, problem.message()]
    return len(fixable)


def test_a_fix_that_brings_another_mistake_is_not_made() -> None:
    for place, text in [
        ("data", "size = 5pixels"),  # too small
        ("data", "size = 4"),
        ("data", "augment = [random_erasing(0.25)]"),
    ]:
        assert fix(recipe(place, text), errors).done == (), text
    both = fix(recipe("data", "batchsize = 4\n  bs = 4"), errors)
    assert (len(both.done), [problem.code for problem in both.left]) == (1, ["E201"])


def test_edits_remove_their_problem_and_bring_no_new_one() -> None:
    sources = [Source(path.name, path.read_text(encoding="utf-8")) for path in BROKEN]
    sources += [recipe(place, text) for place, text, _, _ in ROWS]
    assert sum(map(assert_edits_help, sources)) > 120


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("seed: 1", "seed = 1"),
        ("name = 'a'", 'name = "a"'),
        ("name = “a”", 'name = "a"'),
        ("seed = 1,", "seed = 1"),
        ("seed = 1;", "seed = 1"),
        ("name = a", 'name = "a"'),
        ('seed = "1"', "seed = 1"),
        ("sede = 1", "seed = 1"),
        ("head = [Dropout(0.2), dens(classes)]", "head = [dropout(0.2), dense(classes)]"),
        ("param lr = 0.1 in 0.0 ... 1.0", "param lr = 0.1 in 0.0 .. 1.0"),
        ('about = "C:\\data"', 'about = "C:/data"'),
        ('about = "data\\flowers\\train\\new"', 'about = "data/flowers/train/new"'),
        ("head = (dropout(0.2), dense(classes))", "head = [dropout(0.2), dense(classes)]"),
        ('seed = 1 name = "a"', 'seed = 1\nname = "a"'),
        ("seed = 12_000", "seed = 12000"),
        ("random_seed = 7", "seed = 7"),
    ],
)
def test_a_fixed_recipe(wrong: str, right: str) -> None:
    fixed = fix(recipe("top", wrong), errors)
    assert (fixed.source.text, fixed.left) == (recipe("top", right).text, ())


@pytest.mark.parametrize(
    ("place", "wrong", "right"),
    [
        ("data", "batchsize = 32", "batch = 32"),
        ("data", "augmentation = [hflip]", "augment = [flip]"),
        ("data", "size = 224x224", "size = 224px"),
        (
            "stage",
            "schedule = step(step_size = 1 epoch, gamma = 0.5)",
            "schedule = step(every = 1 epoch, factor = 0.5)",
        ),
        ("stage", "norm = freeze", "norm = frozen"),
        ("stage", "stop = early(patience = 2)", "stop = early(patience = 2 epochs)"),
        ("stage", "optimizer = sgd(learning_rate = 0.1)", "optimizer = sgd(lr = 0.1)"),
    ],
)
def test_the_names_of_other_tools_are_put_right(place: str, wrong: str, right: str) -> None:
    fixed = fix(recipe(place, wrong), errors)
    assert (fixed.source.text, fixed.left) == (recipe(place, right).text, ())


@pytest.mark.parametrize(
    "first", ["", "ftr v1\n", "FTR 1\n", "ftr = 1\n", "version 1\n", "ftr 1.0\n", "# mine\n\nftr1\n"]
)
def test_the_version_is_put_right(first: str) -> None:
    rest = recipe("top", "").text.removeprefix("ftr 1\n")
    comment = "# mine\n\n" if first.startswith("#") else ""
    fixed = fix(Source("recipe.ftr", first + rest.lstrip("\n")), errors)
    assert (fixed.source.text, fixed.left) == (f"{comment}ftr 1\n" + rest.lstrip("\n"), ())


@pytest.mark.parametrize(
    "text",
    [
        "val = holdout(10%)\n  valid = holdout(20%)",  # the name is taken
        "train_set = digits",
    ],
)
def test_a_name_that_is_taken_is_not_given_again(text: str) -> None:
    assert all(not problem.edits() for problem in errors(recipe("data", text)))


@pytest.mark.parametrize(
    "text",
    [
        "for2 = 3",
        "freeze = base",
        "schedule = cosine(min_lr = 0)",
        "train = base.block9",
        "optimizer = adam(lr = $s)",
        "keep = newest",
    ],
)
def test_a_guess_is_no_edit(text: str) -> None:
    assert all(not problem.edits() for problem in errors(recipe("stage", text)))


def test_text_that_is_no_recipe_is_left_alone() -> None:
    assert fix(Source("recipe.ftr", "this is a letter\nto you\n"), errors).done == ()
