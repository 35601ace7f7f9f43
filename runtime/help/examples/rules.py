"""Examples of statements that contradict each other, are missing or stand in the wrong place (E4). Rows only."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.help.examples import Example

_RESIZED = """ftr 1

base = timm("{base}", weights = none)

data {{
  train = folder("data/flowers")
}}

stage "all" {{
  train = all
  for = 4 epochs
  size = 160px

  from 50% {{
    size = shared
  }}
}}"""

EXAMPLES: Mapping[str, Example] = {
    "E480": Example(
        "param n = 8 in range(4 .. 15, step = 4)\nseed = $n",
        "param n = 8 in range(4 .. 16, step = 4)\nseed = $n",
    ),
    "E401": Example("seed = 7\nseed = 8", "seed = 8"),
    "E402": Example('stage "head" {\n  train = head\n}', 'stage "head" {\n  train = head\n  for = 3 epochs\n}'),
    "E403": Example("clip = global_norm", "clip = global_norm(1.0)", "stage"),
    "E404": Example(
        'ftr 1\n\nstage "head" {\n  train = head\n  for = 3 epochs\n}',
        'ftr 1\n\ndata {\n  train = folder("data/flowers")\n}\n\nstage "head" {\n  train = head\n  for = 3 epochs\n}',
        "file",
    ),
    "E405": Example(
        "stage {\n  train = head\n  for = 3 epochs\n}", 'stage "head" {\n  train = head\n  for = 3 epochs\n}'
    ),
    "E406": Example("valid.accuracy >= 90%", "expect {\n  valid.accuracy >= 90%\n}"),
    "E411": Example("augment = [flip, mixup]\nviews = 4", "augment = [flip, mixup]\nviews = none", "stage"),
    "E413": Example(
        "head = [dense(64, bias = priors), relu, dense(classes)]",
        "head = [dense(64), relu, dense(classes, bias = priors)]",
    ),
    "E414": Example("threshold = best(valid.recall)", "threshold = best(valid.f1)", "data"),
    "E415": Example("tta = [flip, color_jitter(0.2)]", "tta = [flip]", "data"),
    "E416": Example("from {\n  augment = none\n}", "from 2 epochs {\n  augment = none\n}", "stage"),
    "E417": Example("from 3 epochs {\n  augment = none\n}", "from 2 epochs {\n  augment = none\n}", "stage"),
    "E418": Example(
        "monitor = valid.loss\n\nfrom 2 epochs {\n  loss = cross_entropy(label_smoothing = 0.1)\n}",
        "monitor = valid.accuracy\n\nfrom 2 epochs {\n  loss = cross_entropy(label_smoothing = 0.1)\n}",
        "stage",
    ),
    "E419": Example(
        _RESIZED.format(base="vit_small_patch16_224.augreg_in21k_ft_in1k"),
        _RESIZED.format(base="regnety_004.pycls_in1k"),
        "file",
    ),
    "E420": Example("head = [dropout(0.2), dense(10)]", "head = [dropout(0.2), dense(classes)]"),
    "E421": Example(
        "for = 3 epochs\nschedule = cosine(warmup = 3 epochs)",
        "for = 3 epochs\nschedule = cosine(warmup = 1 epoch)",
        "stage",
    ),
    "E475": Example("shards = 5", "shards = 4", "stage"),
    "E422": Example("keep = best", "keep = best\nmonitor = valid.accuracy", "stage"),
    "E423": Example(
        "size = 224px\nprepare = [resize(256px), center_crop(192px)]",
        "size = 224px\nprepare = [resize(256px), center_crop(224px)]",
        "data",
    ),
    "E440": Example(
        'ftr 1\n\ntask = detection\n\ndata {\n  train = voc("photos")\n  tiles = tiles(640px)\n'
        '  prepare = [resize(256px), center_crop]\n}\n\nstage "head" {\n  train = head\n  for = 3 epochs\n}',
        'ftr 1\n\ntask = detection\n\ndata {\n  train = voc("photos")\n  tiles = tiles(640px)\n'
        '  prepare = [stretch]\n}\n\nstage "head" {\n  train = head\n  for = 3 epochs\n}',
        "file",
    ),
    "E449": Example(
        "schedule = constant then cosine",
        "for = 10 epochs\nschedule = constant(for = 60%) then cosine",
        "stage",
    ),
    "E450": Example(
        "for = 3 epochs\nschedule = constant(for = 3 epochs) then cosine",
        "for = 3 epochs\nschedule = constant(for = 1 epoch) then cosine",
        "stage",
    ),
    "E451": Example(
        "for = 9 epochs\nschedule = linear(for = 1 epoch) then reduce_on_plateau",
        "for = 9 epochs\nschedule = reduce_on_plateau(warmup = 1 epoch)",
        "stage",
    ),
    "E435": Example("size = [96px, 128px, 3px]", "size = [96px, 128px]", "data"),
    "E445": Example(
        'ftr 1\n\ntask = detection\nhead = [centernet]\n\ndata {\n  train = voc("photos")\n}\n\n'
        'stage "head" {\n  train = head\n  for = 3 epochs\n}',
        'ftr 1\n\ntask = detection\nhead = [centernet]\nloss = center_focal\n\ndata {\n  train = voc("photos")\n}\n\n'
        'stage "head" {\n  train = head\n  for = 3 epochs\n}',
        "file",
    ),
    "E436": Example(
        'ftr 1\n\ntask = segmentation\nbase = gluoncv("fastscnn_citys", weights = none)\n\ndata {\n'
        '  train = masks("photos", "masks", classes = ["wall", "door"])\n}\n\n'
        'stage "all" {\n  train = all\n  for = 3 epochs\n}',
        'ftr 1\n\ntask = segmentation\nbase = gluoncv("fastscnn_citys", weights = none)\nhead = [own]\n\ndata {\n'
        '  train = masks("photos", "masks", classes = ["wall", "door"])\n}\n\n'
        'stage "all" {\n  train = all\n  for = 3 epochs\n}',
        "file",
    ),
    "E437": Example(
        'ftr 1\n\ntask = detection\nbase = gluoncv("fastscnn_citys", weights = none)\nhead = [own]\n\ndata {\n'
        '  train = voc("photos")\n}\n\nstage "all" {\n  train = all\n  for = 3 epochs\n}',
        'ftr 1\n\ntask = detection\nbase = gluoncv("mobilenet1.0", weights = none)\n\ndata {\n'
        '  train = voc("photos")\n}\n\nstage "all" {\n  train = all\n  for = 3 epochs\n}',
        "file",
    ),
    "E438": Example(
        'ftr 1\n\ntask = segmentation\nbase = gluoncv("fastscnn_citys")\nhead = [own]\n\ndata {\n'
        '  train = masks("photos", "masks", classes = ["wall", "door"])\n}\n\n'
        'stage "all" {\n  train = all\n  for = 3 epochs\n}',
        'ftr 1\n\ntask = segmentation\nbase = gluoncv("fastscnn_citys", weights = gluon_params("fastscnn.params"))\n'
        'head = [own]\n\ndata {\n  train = masks("photos", "masks", classes = ["wall", "door"])\n}\n\n'
        'stage "all" {\n  train = all\n  for = 3 epochs\n}',
        "file",
    ),
    "E434": Example(
        'ftr 1\n\ntask = segmentation\n\ndata {\n  train = masks("photos", "masks", classes = ["wall", "door"])\n'
        '  size = 300px\n}\n\nstage "head" {\n  train = head\n  for = 3 epochs\n}',
        'ftr 1\n\ntask = segmentation\n\ndata {\n  train = masks("photos", "masks", classes = ["wall", "door"])\n'
        '  size = 320px\n}\n\nstage "head" {\n  train = head\n  for = 3 epochs\n}',
        "file",
    ),
    "E424": Example(
        "train = head\nlr_scale = { base.block7 = 0.1 }",
        "train = base.block7 .. head\nlr_scale = { base.block7 = 0.1 }",
        "stage",
    ),
    "E425": Example("valid = holdout(50%)\ntest = holdout(50%)", "valid = holdout(20%)\ntest = holdout(20%)", "data"),
    "E468": Example(
        "test = holdout(20%, by = folder)",
        "valid = holdout(20%, by = folder)\ntest = holdout(20%, by = folder)",
        "data",
    ),
    "E469": Example('valid = holdout(20%, by = "patient")', "valid = holdout(20%, by = folder)", "data"),
    "E426": Example(
        "data {\n  train = digits\n}\n\nexpect {\n  test.accuracy >= 90%\n}",
        "data {\n  train = digits\n  test = holdout(20%)\n}\n\nexpect {\n  test.accuracy >= 90%\n}",
    ),
    "E427": Example(
        'data {\n  train = digits\n  size = 64px\n}\n\nbase = gluoncv("inceptionv3")',
        'data {\n  train = digits\n  size = 96px\n}\n\nbase = gluoncv("inceptionv3")',
    ),
    "E428": Example(
        "for = 10 epochs\nschedule = multistep(at = [8 epochs, 5 epochs])",
        "for = 10 epochs\nschedule = multistep(at = [5 epochs, 8 epochs])",
        "stage",
    ),
    "E429": Example(
        "augment = [flip, normalize(mean = [0.5, 0.5, 0.5], std = [0.25, 0.25, 0.25])]",
        "augment = [flip]\nprepare = [center_crop, normalize(mean = [0.5, 0.5, 0.5], std = [0.25, 0.25, 0.25])]",
        "data",
    ),
    "E430": Example(
        "train = all\nlr_scale = { base = 0.1, base.stem = 0.01 }",
        "train = all\nlr_scale = { base except base.stem = 0.1, base.stem = 0.01 }",
        "stage",
    ),
    "E431": Example(
        'train = all\nlr_scale = { matching("*bias") = 2 }', "train = all\nlr_scale = { head = 2 }", "stage"
    ),
    "E432": Example("augment = [flip, resize(256px)]", "augment = [flip, resize(256px), random_crop(224px)]", "data"),
    "E446": Example(
        'ftr 1\ntask = detection\n\ndata {\n  train = voc("photos")\n  threshold = 0.4\n}\n\n'
        'stage "head" {\n  train = head\n  for = 3 epochs\n}',
        'ftr 1\ntask = detection\n\ndata {\n  train = voc("photos")\n}\n\n'
        'stage "head" {\n  train = head\n  for = 3 epochs\n}',
        "file",
    ),
    "E473": Example(
        'base = gluoncv("vgg16")\n\nstage "all" {\n  train = all\n  for = 3 epochs\n  stochastic_depth = 10%\n}',
        'base = gluoncv("resnet18_v1b")\n\nstage "all" {\n  train = all\n  for = 3 epochs\n  stochastic_depth = 10%\n}',
    ),
    "E464": Example(
        'task = regression\nbase = run("runs/teeth-1", head = extended)',
        'task = regression\nbase = run("runs/teeth-1", head = kept)',
    ),
    "E465": Example(
        'base = run("runs/flowers-3")\n\ndata {\n  train = folder("photos")\n  test = holdout(20%)\n}\n\n'
        "expect {\n  old.accuracy >= 90%\n}",
        'base = run("runs/flowers-3", head = extended)\n\ndata {\n  train = folder("photos")\n'
        "  test = holdout(20%)\n}\n\nexpect {\n  old.accuracy >= 90%\n}",
    ),
    "E467": Example(
        "head = [dense(classes, bias = none, init = class_means)]",
        "head = [dense(classes, init = class_means)]",
    ),
    "E448": Example(
        'task = multi_label\n\ndata {\n  train = csv("photos.csv", image = "file", labels = ["cat", "dog"],'
        ' separator = "|")\n}',
        'task = multi_label\n\ndata {\n  train = csv("photos.csv", image = "file", labels = "pets",'
        ' separator = "|")\n}',
    ),
    "E460": Example(
        'teacher = run("runs/big-3")\nloss = cross_entropy',
        'teacher = run("runs/big-3")\nloss = distillation(cross_entropy)',
    ),
    "E461": Example("loss = distillation", 'teacher = run("runs/big-3")\nloss = distillation'),
    "E462": Example(
        'teacher = run("runs/big-3")\nloss = distillation(distillation(cross_entropy))',
        'teacher = run("runs/big-3")\nloss = distillation(cross_entropy)',
    ),
    "E433": Example(
        'ftr 1\ntask = regression\n\ndata {\n  train = folder("photos")\n}\n\n'
        'stage "head" {\n  train = head\n  for = 3 epochs\n}',
        "ftr 1\ntask = regression\n\ndata {\n  train = solar_cells(probability)\n}\n\n"
        'stage "head" {\n  train = head\n  for = 3 epochs\n}',
        "file",
    ),
}
