"""Examples of values of the wrong kind or out of range (E3). Rows only."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.help.examples import Example

EXAMPLES: Mapping[str, Example] = {
    "E301": Example("clip = 1.0", "clip = global_norm(1.0)", "stage"),
    "E302": Example("head = [dropout(20), dense(classes)]", "head = [dropout(20%), dense(classes)]"),
    "E303": Example("size = 224", "size = 224px", "data"),
    "E304": Example("optimizer = sgd(0.01, 0.9)", "optimizer = sgd(0.01, momentum = 0.9)", "stage"),
    "E305": Example(
        "stop = early(patience = 3 epochs, valid.f1)", "stop = early(valid.f1, patience = 3 epochs)", "stage"
    ),
    "E306": Example("param n = 20 in 1 .. 10\nseed = $n", "param n = 10 in 1 .. 10\nseed = $n"),
    "E307": Example("for = 3 epochs + 100 steps", "for = 400 steps", "stage"),
    "E308": Example("head = []", "head = [dense(classes)]"),
    "E309": Example("for = 2.5 epochs", "for = 250 steps", "stage"),
    "E310": Example("train = head .. base.block6", "train = base.block6 .. head", "stage"),
    "E311": Example(
        'base = gluon("resnet18_v2", weights = gluon_params("r18.params", sha256 = "0676"))',
        'base = gluon("resnet18_v2", weights = gluon_params("r18.params", sha256 = "0676ba61"))',
    ),
    "E312": Example("train = base except [base]", "train = base except base.stem", "stage"),
    "E313": Example(
        'ftr 1\nextends "base.ftr"\n\nparam lr = 1e-3 in log(1e-6 .. 1.0)',
        'ftr 1\nextends "base.ftr"\n\nparam lr = 1e-3 in log(1e-4 .. 1e-2)',
        "file",
        "base.ftr declares `param lr = 1e-3 in log(1e-5 .. 1e-1)`.",
    ),
}
