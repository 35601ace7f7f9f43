"""Words of other tools that no place in a recipe suggests: what does their work here, or that nothing does.

Rows only, for `ftr explain`; what is typed in a recipe itself stands in `runtime/vocabulary/habits.py`. A row is words
without `_` and in lower case, and an answer in the form of a habit: a name of ours, or a sentence.
"""

from __future__ import annotations

_ABSENT = "not in this release"
_AUGMENT = f"{_ABSENT}; `ftr explain augment` shows the steps that there are"
_LOSS = f"{_ABSENT}; the loss is `cross_entropy`, with or without `label_smoothing`"
_OPTIMIZER = f"{_ABSENT}; the optimizers are `sgd`, `nag`, `adam`, `adamw` and `rmsprop`"
_SCHEDULE = f"{_ABSENT}; `ftr explain schedule` shows the schedules that there are"
_EXTENDS = 'a recipe builds on another one with `extends "base.ftr"` in its second line'
_ALLOW = "advice is excused by a comment at the end of its line: `# allow: W710`"
_FRACTION = "`valid = holdout(20%)` holds out a share of the training images"

_ROWS = (
    ("mixup cutmix mosaic copypaste", f"{_ABSENT}: `augment` changes each image by itself"),
    ("randaugment autoaugment trivialaugment augmix", _AUGMENT),
    ("rotation rotate randomrotation randomrotate affine randomaffine shear translate perspective", _AUGMENT),
    ("cutout erasing randomerasing blur gaussianblur sharpness grayscale randomgrayscale posterize solarize", _AUGMENT),
    ("elastic elastictransform noise gaussiannoise invert equalize", _AUGMENT),
    ("vflip verticalflip randomverticalflip", "write `augment = [flip(vertical)]`"),
    ("totensor toimage convertimagedtype rescale", "done always: there is nothing to write"),
    (
        "rgba transparency transparent alphachannel premultiplied background",
        "images with transparency are laid over white; `prepare = [flatten_alpha(black)]` chooses",
    ),
    (
        "bitdepth uint16 windowing",
        "16 bits are scaled to 8; `prepare = [levels(4095)]` says which value is white",
    ),
    ("focal focalloss bce bceloss binarycrossentropy mse mseloss l1loss hinge triplet tripletloss contrastive", _LOSS),
    ("arcface cosface dice diceloss kldiv supcon", _LOSS),
    ("nll nllloss softmaxcrossentropy", "cross_entropy"),
    ("softmax logsoftmax", "a part of `loss = cross_entropy`: the head ends in `dense(classes)`"),
    (
        "classweight classweights weightedloss posweight weightedsampler weightedrandomsampler sampler oversampling"
        " oversample undersampling",
        f"{_ABSENT}; `monitor = valid.balanced_accuracy` counts classes alike",
    ),
    (
        "adagrad adadelta adamax nadam radam lion lamb lars lookahead sam adafactor adabelief muon lbfgs ftrl",
        _OPTIMIZER,
    ),
    ("onecycle onecyclelr cyclic cycliclr reducelronplateau plateau inversesqrt", _SCHEDULE),
    (
        "warmrestarts cosineannealingwarmrestarts sgdr restarts",
        "two stages in a row restart the rate, each with `schedule = cosine`",
    ),
    ("ema swa modelema movingaverage polyak", f"{_ABSENT}; `monitor` keeps the weights of the best epoch"),
    (
        "amp fp16 bf16 float16 bfloat16 half mixedprecision autocast precision16",
        f"{_ABSENT}: numbers have 32 bits; `features = half` in `data` keeps what frozen parts give in 16",
    ),
    (
        "accumulate accumulation gradientaccumulation accumulategradbatches gradientaccumulationsteps",
        f"{_ABSENT}; `batch` is the number of images in a step",
    ),
    ("ddp distributed dataparallel multigpu", f"{_ABSENT}: a run uses one device"),
    ("distillation distill teacher quantization quantize pruning lora adapter", _ABSENT),
    ("kfold crossvalidation crossval folds ensemble tta testtimeaugmentation", _ABSENT),
    ("detection segmentation regression multilabel", f"{_ABSENT}: the task is `classification`, one class an image"),
    ("requiresgrad gradreq", "a stage names what trains, the rest is frozen: `train = head`"),
    ("freezebn bnfreeze", "write `norm = frozen` in a stage"),
    ("validationsplit validsplit testsplit testsize valsize validsize", _FRACTION),
    ("parent inherits inherit import include extend", _EXTENDS),
    ("ignore noqa disable suppress silence nolint", _ALLOW),
    ("dataroot", "an option of the commands: `ftr run recipe.ftr --data-root FOLDER`"),
)

FOREIGN = {word: answer for words, answer in _ROWS for word in words.split()}
"""An answer to each word."""
