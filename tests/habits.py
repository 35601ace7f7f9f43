"""What people type out of habit: each row is a statement, its codes in reading order, and words of the help."""

from __future__ import annotations

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.problem import Problem, RecipeError
from recipe_lang.source import Source
from runtime.vocabulary import VOCABULARY

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
    ("loss = cross_entropy(class_weights = balanced)", "E206", "`loss = cross_entropy(weights = balanced)`"),
    ("loss = focal_loss(2)", "E203", "did you mean `focal`?"),
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
    ("mixup_off_epoch = 8", "E201", "`from 8 epochs {"),
    ("no_aug_epochs = 2", "E201", "`from 8 epochs {"),
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
    ("expect {\n  valid.accuracy >= 0.9 for 5 seeds\n}", "E101", "over 5 seeds"),
    ("expect {\n  valid.accuracy >= 0.9 in 5 seeds\n}", "E101", "over 5 seeds"),
    ("expect {\n  valid.accuracy >= 0.9 over 5\n}", "E303", "write `5 seeds`"),
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
