"""Examples of names that do not exist (E2). Rows only."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.help.examples import Example

EXAMPLES: Mapping[str, Example] = {
    "E201": Example("batch_size = 64", "batch = 64", "data"),
    "E202": Example(
        'phase "head" {\n  train = head\n  for = 3 epochs\n}', 'stage "head" {\n  train = head\n  for = 3 epochs\n}'
    ),
    "E203": Example("optimizer = adma(lr = 0.001)", "optimizer = adam(lr = 0.001)", "stage"),
    "E204": Example("train = base.block9 .. head", "train = base.block7 .. head", "stage"),
    "E205": Example("seed = $sede\nparam seed = 7", "seed = $seed\nparam seed = 7"),
    "E206": Example("optimizer = adam(learning_rate = 0.001)", "optimizer = adam(lr = 0.001)", "stage"),
    "E207": Example("monitor = valid.acc", "monitor = valid.accuracy", "stage"),
    "E208": Example("augment = [flip(horizontally)]", "augment = [flip(horizontal)]", "data"),
    "E209": Example('base = gluoncv("resnet50")', 'base = gluoncv("resnet50_v1b")'),
    "E210": Example(
        "ftr check flowers.ftr --set learning_rate=3e-4",
        "ftr check flowers.ftr --set lr=3e-4",
        "shell",
        "flowers.ftr declares `param lr = 1e-3`.",
    ),
    "E211": Example(
        'ftr 1\nextends "base.ftr"\n\ndrop stage "topp"',
        'ftr 1\nextends "base.ftr"\n\ndrop stage "top"',
        "file",
        'base.ftr has the stages "head" and "top".',
    ),
    "E212": Example("loss = huber", "loss = cross_entropy"),
}
