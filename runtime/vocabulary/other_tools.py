"""Words of other tools that no place in a recipe suggests: what does their work here, or that nothing does.

Rows only, for `ftr explain` and `ftr check`; words that are a name of ours, or that a place suggests, stand in
`runtime/vocabulary/aliases.py`. A row is words without `_` and in lower case, and an answer in the form of a habit: a
name of ours, or a sentence.
"""

from __future__ import annotations

from recipe_lang.words import listed
from runtime.training.optimizers import OPTIMIZERS

_ABSENT = "not in this release"
_AUGMENT = f"{_ABSENT}; `ftr explain augment` shows the steps that there are"
_LOSS = f"{_ABSENT}; the loss is `cross_entropy`, with or without `label_smoothing`"
_OPTIMIZER = f"{_ABSENT}; the optimizers are {listed(tuple(f'`{name}`' for name in OPTIMIZERS), 'and')}"
_SCHEDULE = f"{_ABSENT}; `ftr explain schedule` shows the schedules that there are"
_EXTENDS = 'a recipe builds on another one with `extends "base.ftr"` in its second line'
_WHERE = "given on the command line, not in the recipe:"
_SHUFFLED = "`holdout` is stratified by class, by the recipe's `seed`; there is nothing to write"
_ALWAYS = "always done: there is nothing to write"
_KEPT = (
    "`monitor = valid.accuracy` in a stage keeps the weights of its best epoch; checkpoints are written without asking"
)
_LOGGED = "the run folder has each epoch in `metrics.jsonl`, and `curves.png`; there is nothing to write"
_LR = "write `optimizer = adam(lr = …)` in a stage"
_RATES = "write `lr_scale = { base.block3 = 0.1 }` or `lr_scale = layer_decay(0.7)` in a stage"
_EPOCH_SHARE = "an epoch takes all training images once; `for = 500 steps` gives the length of a stage in batches"
_WARMUP = "write it in the schedule: `schedule = cosine(warmup = 10%)`"
_FREEZE_EPOCHS = (
    "a stage that trains the head, then one that trains more: `train = head`, `train = base.block3 .. head`"
)
_ALLOW = "advice is silenced by a comment at the end of its line: `# allow: W710`"
_FRACTION = "`valid = holdout(20%)` holds out a fraction of the training images"

_ROWS = (
    (
        "mixup cutmix mosaic copypaste mixupalpha cutmixalpha closemosaic",
        f"{_ABSENT}: `augment` changes each image by itself",
    ),
    ("randaugment autoaugment trivialaugment augmix augtransforms multiscale rectmode", _AUGMENT),
    ("rotation rotate randomrotation randomrotate affine randomaffine shear translate perspective", _AUGMENT),
    (
        "cutout erasing randomerasing reprob degrees hsvh hsvs hsvv zoom zoomrange rotationrange"
        " blur gaussianblur sharpness grayscale randomgrayscale posterize solarize",
        _AUGMENT,
    ),
    ("elastic elastictransform noise gaussiannoise invert equalize", _AUGMENT),
    ("vflip flipud verticalflip randomverticalflip", "write `augment = [flip(vertical)]`"),
    ("fliplr", "write `augment = [flip(horizontal)]`"),
    ("brightness contrast saturation hue", "write `augment = [color_jitter(brightness = 0.2)]`"),
    ("totensor toimage convertimagedtype rescale deterministic", _ALWAYS),
    ("stratified stratify stratifyby", _SHUFFLED),
    ("interpolation antialias", f"{_ABSENT}: images are resized bicubically, with antialiasing"),
    ("croppct cropfraction", "write `prepare = [resize(256px), center_crop(224px)]`"),
    ("inputshape inputdim", "images are square, and `size = 224px` in `data` is their side"),
    ("mean std", "write `prepare = [normalize(mean = […], std = […])]` in `data`"),
    ("stepsperepoch limittrainbatches", _EPOCH_SHARE),
    (
        "rgba transparency transparent alphachannel premultiplied background",
        "images with transparency are flattened onto white; `prepare = [flatten_alpha(black)]` chooses",
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
        "two stages in a row restart the learning rate, each with `schedule = cosine`",
    ),
    ("smoothing labelsmoothingfactor", "write `loss = cross_entropy(label_smoothing = 0.1)`"),
    ("lr0 initiallr startlr", _LR),
    ("lrf minlrratio", "write `schedule = cosine(final = 1%)`, as a fraction of the peak learning rate"),
    ("lrscheduletype lrschedulertype sched lrschedule", "schedule"),
    ("coslr", "`schedule = cosine` is the default of a stage; there is nothing to write"),
    ("warmupratio warmuplr warmupbiaslr warmupmomentum warmupproportion", _WARMUP),
    ("headlr lrhead backbonelr lrbackbone encoderlr discriminativelr lrmult layerwiselr llrd", _RATES),
    ("freezeepochs frozenepochs freezelayers unfreezeepoch headepochs", _FREEZE_EPOCHS),
    ("fitonecycle onecyclepolicy", f"{_ABSENT}; `schedule = cosine(warmup = 30%)` has nearly its form"),
    (
        "gradclipval gradientclipval maxgradnorm clipnorm clipgradnorm clipgrad",
        "write `clip = global_norm(1.0)` in a stage",
    ),
    ("clipvalue clipgradvalue", "write `clip = value(0.5)` in a stage"),
    ("dropouts droprate dropoutrate", "write `head = [dropout(0.2), dense(classes)]`"),
    ("droppath droppathrate stochasticdepth dropconnect", _ABSENT),
    ("includetop", "the base comes without its classifier; `head = [dense(classes)]` is the default"),
    ("pooling pool globalpool", "write it in the head: `head = [global_avg_pool, dense(classes)]`"),
    ("savebest savebestonly loadbestmodelatend checkpoint checkpoints modelcheckpoint savestrategy saveperiod", _KEPT),
    ("metricforbestmodel bestmetric", "write `monitor = valid.balanced_accuracy` in a stage"),
    ("callbacks", "stopping early is `stop = early(valid.loss, patience = 3 epochs)`, the best weights are `monitor`"),
    ("logging logger loginterval loggingsteps tensorboard wandb mlflow reportto plots verbose", _LOGGED),
    (
        "evalstrategy evaluationstrategy evalinterval validationfreq checkvaleverynepoch",
        "done after each epoch: there is nothing to write",
    ),
    ("compile torchcompile jit", _ALWAYS),
    ("resume", f"{_WHERE} `ftr run --resume RUN`"),
    ("project savedir outputdirectory logdir expname", f"{_WHERE} `ftr run --out FOLDER`"),
    ("accelerator devices gpus usegpu nocuda", f"{_WHERE} `ftr run --device gpu`"),
    ("dataloadernumworkers nworkers njobs", f"{_WHERE} `ftr run --workers 4`"),
    ("cache cacheimages", "frozen features are always cached; `ftr run --no-cache` goes without"),
    ("ema swa modelema movingaverage polyak", f"{_ABSENT}; `monitor` keeps the weights of the best epoch"),
    (
        "amp fp16 bf16 float16 bfloat16 half mixedprecision autocast precision16",
        f"{_ABSENT}: training is in 32 bits; `features = half` in `data` caches frozen features in 16",
    ),
    (
        "accumulate accumulation gradientaccumulation accumulategradbatches gradientaccumulationsteps",
        f"{_ABSENT}; `batch` is the number of images in a step",
    ),
    ("ddp distributed dataparallel multigpu", f"{_ABSENT}: a run uses one device"),
    ("distillation distill teacher quantization quantize pruning lora adapter", _ABSENT),
    ("kfold crossvalidation crossval folds ensemble tta testtimeaugmentation", _ABSENT),
    ("detection segmentation regression multilabel", f"{_ABSENT}: the task is `classification`, one class per image"),
    ("requiresgrad gradreq", "a stage names what trains, the rest is frozen: `train = head`"),
    ("freezebn bnfreeze", "write `norm = frozen` in a stage"),
    ("validpct valpct splitratio validationsplit validsplit testsplit testsize valsize validsize", _FRACTION),
    ("parent inherits inherit import include extend", _EXTENDS),
    ("ignore noqa disable suppress silence nolint", _ALLOW),
    ("dataroot", "an option of the commands: `ftr run recipe.ftr --data-root FOLDER`"),
)

FOREIGN = {word: answer for words, answer in _ROWS for word in words.split()}
"""An answer to each word."""
