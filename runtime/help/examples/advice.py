"""Examples of what is allowed and seldom wise (W7). Rows only."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.help.examples import Example
from runtime.help.examples.data import labels_in, labels_of
from runtime.help.examples.running import TAUGHT

_OPEN = "train = base.block6 .. head\nfor = 5 epochs"
_TWICE = """\
stage "one" {
  train = head
  for = 3 epochs
  monitor = valid.accuracy
}
stage "two" {
  train = head
  for = 3 epochs
  monitor = valid.accuracy
}"""
_PREPARED = (
    'ftr 1\nbase = {}\n\ndata {{\n  train = folder("photos")\n{}}}\n\n'
    'stage "head" {{\n  train = head\n  for   = 3 epochs\n}}'
)
_VIT = (
    'ftr 1\nbase = timm("deit_small_patch16_224.fb_in1k", weights = {weights})\n\n'
    'data {{\n  train = folder("photos")\n{more}}}\n\nstage "head" {{\n  train = head\n  for   = 3 epochs\n}}'
)
_TWO = """\
stage "head" {{
  train = head
  for = 3 epochs
}}
stage "top" {{
  train = base.block7 .. head
  for = 3 epochs{more}
}}"""
_WHOLE = """\
ftr 1
data {{
  train = folder("photos")
}}
base = gluon("resnet18_v2", weights = {weights})
stage "all" {{
  train = {train}
  for = 5 epochs
  optimizer = adam(lr = 1e-4)
{more}}}
"""
_CLAIM = """\
ftr 1
data {{
  train = folder("photos")
  test = holdout(20%)
}}
stage "head" {{
  train = head
  for = 5 epochs
{more}}}
expect {{
  {claim} >= 90%
}}
"""
_TABLES = """\
train = csv("train.csv", image = "file", label = "class")
test = csv("{test}", image = "file", label = "class")"""

_NUMBERS = """ftr 1
task = regression

data {{
  train = csv("leaves.csv", image = "file", target = ["width", "weight"])
  valid = holdout(20%)
}}

stage "head" {{
  train   = head
  for     = 3 epochs
  monitor = valid.{metric}
}}"""

_COMMIT = "8c8160af334519b13c56546bfaf1b70e3b86444b"

EXAMPLES: Mapping[str, Example] = {
    "W701": Example("param rate = 1e-3\nseed = 1", "param first = 1\nseed = $first"),
    "W702": Example("train = head  # allow: W710", "train = head", "stage"),
    "W710": Example(
        f"{_OPEN}\noptimizer = adam(lr = 5e-3)",
        f"{_OPEN}\noptimizer = adam(lr = 5e-3)\nlr_scale = {{ base.block6 .. base.block7 = 0.05 }}",
        "stage",
    ),
    "W711": Example(
        f"{_OPEN}\noptimizer = adam(lr = 1e-4)\nlr_scale = {{ head = 0.1 }}",
        f"{_OPEN}\noptimizer = adam(lr = 1e-4)\nlr_scale = {{ base.block6 = 0.1, base.block7 = 0.3 }}",
        "stage",
    ),
    "W712": Example(
        _WHOLE.format(weights="imagenet", train="all", more=""),
        _WHOLE.format(weights="imagenet", train="all", more="  schedule = cosine(warmup = 1 epoch)\n"),
        "file",
    ),
    "W713": Example(
        "train = all\nfor = 5 epochs\noptimizer = adam(lr = 1e-4)\nlr_scale = layer_decay(0.1)",
        "train = all\nfor = 5 epochs\noptimizer = adam(lr = 1e-4)\nlr_scale = layer_decay(0.7)",
        "stage",
    ),
    "W714": Example(
        "for = 5 epochs\nschedule = cosine(warmup = 3 epochs)",
        "for = 5 epochs\nschedule = cosine(warmup = 0.5 epochs)",
        "stage",
    ),
    "W715": Example("for = 5 epochs\nschedule = step", "for = 5 epochs\nschedule = step(every = 2 epochs)", "stage"),
    "W716": Example(
        "for = 5 epochs\nstop = early(valid.loss, patience = 5 epochs)",
        "for = 5 epochs\nstop = early(valid.loss, patience = 2 epochs)",
        "stage",
    ),
    "W717": Example(
        _TWICE, _TWICE.replace('"two" {\n  train = head', '"two" {\n  train = head\n  augment = none\n  l1 = 1e-6')
    ),
    "W718": Example("monitor = valid.accuracy\nkeep = last", "monitor = valid.accuracy", "stage"),
    "W719": Example(
        "defaults {\n  for = 2 epochs\n  clip = global_norm(1.0)\n}\n" + _TWICE.split('stage "two"')[0].rstrip(),
        "defaults {\n  clip = global_norm(1.0)\n}\n" + _TWICE.split('stage "two"')[0].rstrip(),
    ),
    "W720": Example(
        'ftr 1\ndata {\n  train = folder("photos")\n  batch = 8\n}\nstage "top" {\n  train = base.block7 .. head\n'
        "  for = 5 epochs\n  optimizer = adam(lr = 1e-4)\n}\n",
        'ftr 1\ndata {\n  train = folder("photos")\n  batch = 8\n}\nstage "top" {\n  train = base.block7 .. head\n'
        "  for = 5 epochs\n  optimizer = adam(lr = 1e-4)\n  norm = frozen\n}\n",
        "file",
    ),
    "W721": Example("optimizer = adam(weight_decay = 1e-4)", "optimizer = adamw(weight_decay = 0.01)", "stage"),
    "W722": Example("loss = cross_entropy(label_smoothing = 0.5)", "loss = cross_entropy(label_smoothing = 0.1)"),
    "W723": Example("head = [dropout(0.8), dense(classes)]", "head = [dropout(0.2), dense(classes)]"),
    "W724": Example(
        _WHOLE.format(weights="none", train="head", more=""),
        _WHOLE.format(weights="none", train="all", more=""),
        "file",
    ),
    "W725": Example(
        "train = digits\naugment = [flip(horizontal)]", "train = digits\naugment = [random_crop(padding = 4px)]", "data"
    ),
    "W726": Example(
        'train = folder("photos")\ntest = folder("photos")', 'train = folder("photos")\ntest = holdout(20%)', "data"
    ),
    "W727": Example(
        _CLAIM.format(more="  monitor = valid.accuracy\n", claim="valid.accuracy"),
        _CLAIM.format(more="  monitor = valid.accuracy\n", claim="test.accuracy"),
        "file",
    ),
    "W728": Example(
        _CLAIM.format(more="", claim="valid.accuracy"), _CLAIM.format(more="", claim="test.accuracy"), "file"
    ),
    "W729": Example(
        "augment = [flip(horizontal)]\nviews = 2", "augment = [flip(horizontal), color_jitter(0.2)]\nviews = 2", "data"
    ),
    "W730": Example(
        "for = 5 epochs\naugment = [random_resized_crop]\nviews = 8",
        "for = 20 epochs\naugment = [random_resized_crop]\nviews = 4",
        "stage",
    ),
    "W740": Example(
        "monitor = valid.accuracy",
        "monitor = valid.balanced_accuracy",
        "stage",
        "One class has 900 images for training, the other 100.",
    ),
    "W741": Example(
        'train = folder("photos")\nvalid = holdout(50%)',
        'train = folder("photos")\nvalid = holdout(20%)',
        "data",
        "A class has 15 images.",
    ),
    "W742": Example("monitor = valid.accuracy", "keep = last", "stage", "The validation set has 30 images."),
    "W743": Example(
        'data {\n  train = folder("photos")\n  valid = holdout(10%)\n}\n\nexpect {\n  valid.accuracy >= 90%\n}',
        'data {\n  train = folder("photos")\n  valid = holdout(50%)\n}\n\nexpect {\n  valid.accuracy >= 90%\n}',
        given="There are 1,000 photos: at 90% the standard error on 100 is 3 points, on 500 it is 1.3.",
    ),
    "W744": Example("batch = 64", "batch = 50", "data", "There are 100 images for training."),
    "W745": Example("for = 10 steps", "for = 5 epochs", "stage", "There are 1,000 images for training."),
    "W746": Example(
        "train = all\nfor = 5 epochs\noptimizer = adam(lr = 1e-4)\nschedule = cosine(warmup = 1 epoch)",
        f"{_OPEN}\noptimizer = adam(lr = 1e-4)".replace("block6", "block7"),
        "stage",
        "There are 500 images for training.",
    ),
    "W747": Example(
        _TABLES.format(test="all.csv"),
        _TABLES.format(test="test.csv"),
        "data",
        "The table `all.csv` holds the rows of `train.csv` as well.",
    ),
    "W748": Example(
        _NUMBERS.format(metric="mae"),
        _NUMBERS.format(metric="r2"),
        "file",
        given="The widths differ by millimetres, the weights by hundreds of grams.",
    ),
    "W749": Example(
        'train = folder("photos")\nvalid = holdout(5%)',
        'train = folder("photos")\nvalid = holdout(20%)',
        "data",
        "Of 10 photos of roses none is held out.",
    ),
    "W750": Example(
        'base = gluon("resnet18_v2", weights = imagenet)',
        'base = gluon("resnet18_v2", weights = gluon_params("resnet18_v2.params"))',
        given="The zoo's cache is empty.",
    ),
    "W751": Example(
        'train = folder("photos")',
        'train = folder("photos")\nexclude = "photos.exclude.txt"',
        "data",
        "The file photos/roses/1.jpg is a pointer of Git LFS; the list holds `roses/1.jpg`.",
    ),
    "W752": Example(
        'loss = cross_entropy(weights = balanced)\n\ndata {\n  train = folder("photos")\n  sampling = balanced\n}\n\n'
        'stage "head" {\n  train = head\n  for = 3 epochs\n}',
        'loss = cross_entropy\n\ndata {\n  train = folder("photos")\n  sampling = balanced\n}\n\n'
        'stage "head" {\n  train = head\n  for = 3 epochs\n}',
    ),
    "W753": Example(
        "loss = cross_entropy",
        "loss = logit_adjusted",
        "stage",
        "One class has 900 images for training, the other 60.",
    ),
    "W755": Example(
        labels_of(labels_in("few.csv")),
        labels_of(labels_in("pets.csv")),
        "file",
        "One image of few.csv has the label `fox`.",
    ),
    "W756": Example(
        labels_of(labels_in("one.csv")),
        labels_of(labels_in("pets.csv")),
        "file",
        "Each image of one.csv has one label; of pets.csv some have none, and some two.",
    ),
    "W757": Example(
        labels_of(labels_in("few.csv")),
        labels_of(labels_in("pets.csv")),
        "file",
        "One image of few.csv has the label `fox`: it is held out or not.",
    ),
    "W758": Example(
        "for = 5 epochs\nschedule = reduce_on_plateau(valid.loss, patience = 3 epochs)",
        "for = 5 epochs\nschedule = reduce_on_plateau(valid.loss, patience = 1 epoch)",
        "stage",
    ),
    "W759": Example(
        "for = 10 steps\naverage = lookahead(k = 20)",
        "for = 10 epochs\naverage = lookahead(k = 20)",
        "stage",
        "The stage has 10 steps.",
    ),
    "W760": Example(
        'train = folder("photos")\nvalid = folder("more")',
        'train = folder("photos")\nvalid = folder("more")\nexclude = "photos.exclude.txt"',
        "data",
        "The file more/roses/7.jpg is a copy of photos/roses/1.jpg; the list holds `roses/1.jpg` below `[train]`.",
    ),
    "W761": Example(
        'train = folder("photos")\nvalid = holdout(1%)\non_error = skip',
        'train = folder("photos")\nvalid = holdout(20%)\non_error = skip',
        "data",
        "The only image of roses that is held out of 25 cannot be read.",
    ),
    "W762": Example(
        "augment = none\n\nfrom 2 epochs {\n  augment = none\n}", "from 2 epochs {\n  augment = none\n}", "stage"
    ),
    "W763": Example("size = 256px", "size = 160px", "stage"),
    "W764": Example(
        TAUGHT.format(teacher="large-1").replace("8\n", "8\n  augment = [random_crop(padding = 4px)]\n"),
        TAUGHT.format(teacher="large-1").replace("8\n", "8\n  augment = [random_resized_crop]\n"),
        "file",
        "runs/large-1 had `size = 64px`.",
    ),
    "W765": Example(
        TAUGHT.format(teacher="smoothed-1"),
        TAUGHT.format(teacher="flowers-1"),
        "file",
        "runs/smoothed-1 had `loss = cross_entropy(label_smoothing = 0.1)`.",
    ),
    "W766": Example(
        'base = run("runs/flowers-3", head = extended)',
        'base = run("runs/flowers-3", head = extended)\nloss = logit_adjusted',
        given="runs/flowers-3 knows a class that the images here have not.",
    ),
    "W767": Example(
        'base = run("runs/flowers-3", head = extended)',
        'base = run("runs/flowers-3")',
        given="The validation of runs/flowers-3 has fitted a temperature.",
    ),
    "W770": Example("size = 512px\nbatch = 256", "size = 224px\nbatch = 32", "data", "The machine has 8 GB of memory."),
    "W771": Example(
        'base = gluoncv("resnet18_v1b", weights = torch("swapped.pth"))',
        'base = gluoncv("resnet18_v1b", weights = torch("resnet18-f37072fd.pth"))',
        given="In swapped.pth two norms of equal shape have changed places.",
    ),
    "W774": Example(
        _VIT.format(weights='safetensors("vit.safetensors")', more=""),
        _VIT.format(
            weights='safetensors("vit.safetensors")',
            more="  prepare = [resize(248px), center_crop, normalize(mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5])]\n",
        ),
        "file",
    ),
    "W775": Example(
        'base = gluoncv("resnet50_v1d", weights = hub("me/resnet50d"))',
        f'base = gluoncv("resnet50_v1d", weights = hub("me/resnet50d", revision = "{_COMMIT}"))',
        given="The commit is the one that is here.",
    ),
    "W776": Example(
        _PREPARED.format(f'gluoncv("resnet50_v1d", weights = hub("me/flowers", revision = "{_COMMIT}"))', ""),
        _PREPARED.format(
            f'gluoncv("resnet50_v1d", weights = hub("me/flowers", revision = "{_COMMIT}"))',
            "  prepare = [resize(256px), center_crop]\n",
        ),
        "file",
        "The config.json of me/flowers says `crop_pct` 0.875.",
    ),
    "W777": Example(
        'base = timm("regnety_004.pycls_in1k", weights = safetensors("net.safetensors", head = kept))',
        'base = timm("regnety_004.pycls_in1k", weights = safetensors("net.safetensors"))',
        given="The classifier in net.safetensors has 2 outputs, and there are 2 classes.",
    ),
    "W778": Example(
        "train = head\nstochastic_depth = 10%", "train = base.block6 .. head\nstochastic_depth = 10%", "stage"
    ),
    "W779": Example(
        "for = 4 epochs\naverage = swa", "for = 8 epochs\naverage = swa", "stage", "The images fill 31 batches."
    ),
    "W780": Example(_TWO.format(more=""), _TWO.format(more="\n  monitor = valid.accuracy")),
    "W781": Example(
        'base = run("runs/flowers-3", head = kept)',
        'base = run("runs/flowers-3")',
        given="runs/flowers-3 knows a class that the images here have not.",
    ),
    "W782": Example(
        'base = gluoncv("resnet18_v1b", weights = gluon_params("center_net.params"))\nhead = [dense(classes)]',
        'base = gluoncv("resnet18_v1b", weights = gluon_params("resnet18_v1b.params"))\nhead = [dense(classes)]',
        given="center_net.params is a file of center_net_resnet18_v1b_voc.",
    ),
    "W785": Example("monitor = valid.top5", "monitor = valid.accuracy", "stage", "There are 2 classes."),
    "W786": Example(
        'ftr 1\ntask = detection\n\ndata {\n  train = voc("swapped")\n  size  = 64px\n  batch = 4\n}\n\n'
        'stage "head" {\n  train = head\n  for   = 3 epochs\n}',
        'ftr 1\ntask = detection\n\ndata {\n  train = voc("street")\n  size  = 64px\n  batch = 4\n}\n\n'
        'stage "head" {\n  train = head\n  for   = 3 epochs\n}',
        "file",
        "In `swapped` two boxes end before they begin.",
    ),
    "W787": Example(
        'ftr 1\ntask = detection\n\ndata {\n  train   = voc("street")\n  size    = 64px\n'
        "  prepare = [resize(64px), center_crop]\n  batch   = 4\n}\n\n"
        'stage "head" {\n  train = head\n  for   = 3 epochs\n}',
        'ftr 1\ntask = detection\n\ndata {\n  train   = voc("street")\n  size    = 64px\n  prepare = [stretch]\n'
        '  batch   = 4\n}\n\nstage "head" {\n  train = head\n  for   = 3 epochs\n}',
        "file",
    ),
    "W790": Example(
        'train = folder("photos")',
        'train = folder("converted")',
        "data",
        "20 of the tulips in photos are HEIC files; converted has them as JPEG.",
    ),
    "W791": Example(
        'train = folder("photos")',
        'train = folder("photos/day")',
        "data",
        "photos has the folders day and night, and each of them the folders roses and tulips.",
    ),
    "W792": Example(
        'train = folder("photos")',
        'train = folder("sets/train")\ntest = folder("sets/test")',
        "data",
        "photos has roses/train, roses/test, tulips/train and tulips/test; in sets the set is above the class.",
    ),
    "W794": Example(
        'train = csv("labels.csv", image = "file", label = "kind")',
        'train = csv("alike.csv", image = "file", label = "kind")',
        "data",
        "labels.csv has roses, tulips and Tulips; alike.csv has tulips in place of Tulips.",
    ),
    "W795": Example(
        'train = csv("labels.csv", image = "file", label = "kind")',
        'train = csv("labelled.csv", image = "file", label = "kind")',
        "data",
        "labels.csv has roses, tulips, and `nan` where pandas had no label; labelled.csv leaves those rows out.",
    ),
    "W796": Example("augment = [flip, color_jitter]", "augment = [flip, color_jitter(0.2)]", "data"),
    "W797": Example(
        "size = 64px\naugment = [random_crop]",
        "size = 64px\naugment = [random_crop(padding = 4px)]",
        "data",
        "All training images have 64 x 64 pixels.",
    ),
}
