"""Short recipes and what they mean, for tests of the language."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from paths import ROOT

from recipe_lang.check.checked import CheckedBlock, CheckedRecipe, Selection
from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from runtime.vocabulary import VOCABULARY

RECIPES = sorted((ROOT / "recipes").glob("*.ftr"))


FLOWERS = """\
ftr 1

name  = "flowers-resnet50"
about = "Head first, then the two last blocks at lower rates."
task  = classification
seed  = 7

param lr = 1e-3 in log(1e-5 .. 1e-1)

data {
  train   = folder("data/flowers/train")
  valid   = holdout(20%)
  test    = folder("data/flowers/test")
  size    = 224px
  prepare = [resize(256px), center_crop(224px)]
  augment = [random_resized_crop(scale = 0.4 .. 1.0), flip(horizontal), color_jitter(0.2)]
  batch   = 32
}

base = gluoncv("resnet50_v1b", weights = gluon_params("resnet50.params", sha256 = "0676ba61"))
head = [dropout(0.2), dense(classes)]
loss = cross_entropy(label_smoothing = 0.1)

stage "warm up the head" {
  train     = head
  for       = 3 epochs
  optimizer = adam(lr = $lr)
}

stage "open the top" {
  train     = base.block3 .. head
  for       = 10 epochs
  optimizer = sgd(lr = $lr / 2, momentum = 0.9, weight_decay = 1e-4)
  lr_scale  = { base.block3 = 0.1, base.block4 = 0.3 }
  schedule  = cosine(warmup = 1 epoch, final = 1%)
  clip      = global_norm(1.0)
  stop      = early(valid.accuracy, patience = 3 epochs)
}

expect {
  test.accuracy >= 93%
}
"""


PARTS = ("base.stem", *(f"base.block{number}" for number in range(1, 8)))  # of the packaged base


def read(text: str, settings: Sequence[str] = ()) -> CheckedRecipe:
    return check(parse(Source("recipe.ftr", text)), VOCABULARY, settings)


def codes(text: str, settings: Sequence[str] = ()) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        read(text, settings)
    return [problem.code for problem in caught.value.problems]


def written(top: str = "", data: str = "", stage: str = "train = head\nfor = 2 epochs") -> str:
    return f'ftr 1\n{top}\ndata {{\ntrain = digits\n{data}\n}}\nstage "s" {{\n{stage}\n}}\n'


def stage_of(line: str, top: str = "", settings: Sequence[str] = ()) -> CheckedBlock:
    return read(written(top, stage=f"train = head\nfor = 2 epochs\n{line}"), settings).block("stage")


def selected(selector: str) -> Selection:
    stage = read(written(stage=f"train = {selector}\nfor = 2 epochs")).block("stage")
    selection = stage["train"]
    assert isinstance(selection, Selection)
    return selection
