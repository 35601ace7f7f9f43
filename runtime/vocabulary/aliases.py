"""Words that people bring from other tools, each with ours or with a sentence of advice.

A row is words in lower case without `_`, `-` and `.`, in which any spelling of them is found, and an answer: a name of
ours, or a sentence (with blanks), which is shown as it is; `a|b` offers the one that fits its place. What
`RENAMINGS` names is the very same thing under another name.
"""

from __future__ import annotations

from recipe_lang.words import listed
from runtime.training.optimizers import OPTIMIZERS

_TRAIN = "a stage names what trains, the rest is frozen: `train = head` or `train = base.block3 .. head`"
_FOR = "the length of a stage is `for = 10 epochs` or `for = 500 steps`"
_SCALE = "write `optimizer = adam(lr = …)`, and `lr_scale = { base.block3 = 0.1 }` for learning rates by part"
_WARMUP = "write it in the schedule: `cosine(warmup = 1 epoch)`"
_CLASSES = "the number of classes comes from the data: `head = [dense(classes)]`"
_ABSENT = "not in this release"
_EXTENDS = 'a recipe builds on another one with `extends "base.ftr"` in its second line'
_HUGGING_FACE = 'sets are not downloaded: fetch its parquet files, and write `train = parquet("data/train-*.parquet")`'
_SOURCE = 'images are named by a source: `train = folder("data/train")`'
_WHERE = "where it runs is given on the command line, not in the recipe:"
_NORMALIZE = "write it in `data`: `prepare = [normalize(mean = …, std = …)]`"

_NAMES = (
    ("freeze", f"frozen|{_TRAIN}"),
    ("frozen unfreeze trainable layers", _TRAIN),
    ("matching", 'a pattern over the names of parameters is written `matching("*gamma")`'),
    ("epochs epoch numepochs maxepochs numtrainepochs trainepochs nepochs steps maxsteps", _FOR),
    ("ep", "epochs"),
    ("iterations iters", f"steps|{_FOR}"),
    ("it batches minibatches", "steps"),
    ("pixel pixels", "px"),
    ("lr learningrate", f"lr|{_SCALE}"),
    ("paramgroups", _SCALE),
    ("wd weightdecay decay", "weight_decay|write it in the optimizer: `adamw(weight_decay = 0.01)`"),
    ("l2", "weight_decay|write it in the optimizer: `sgd(weight_decay = 1e-4)`"),
    ("etamin minlr endlr", "final"),
    ("alpha", "alpha|final"),
    ("warmupepochs warmupsteps warmup", f"warmup|{_WARMUP}"),
    ("gamma", "factor"),
    ("milestones", "at"),
    ("stepsize", "every"),
    ("eps", "epsilon"),
    ("betas", "the two are `beta1 = 0.9` and `beta2 = 0.999`"),
    ("nesterov", "the optimizer with Nesterov momentum is `nag`"),
    ("scheduler lrscheduler", "schedule"),
    ("criterion", "loss"),
    ("extend", f"extended|{_EXTENDS}"),
    ("mixup mixupalpha", "mixup|write `augment = [flip, mixup(0.2)]`"),
    ("cutmix cutmixalpha", "cutmix|write `augment = [flip, cutmix]`"),
    (
        "mixupoffepoch closemosaic noaugepochs switchepoch",
        "what changes inside a stage stands in `from 8 epochs { augment = none }`",
    ),
    ("progressiveresizing progressivelearning", "write `size = 160px` in the stage, and `from 50% { size = shared }`"),
    ("ema", "ema|write `average = ema(0.999)` in a stage"),
    ("swa", "swa|write `average = swa(start = 75%)` in a stage"),
    ("optim opt", "optimizer"),
    ("gradientclip gradclip", "clip"),
    ("clipgradnorm", "clip|global_norm|write `clip = global_norm(1.0)` in a stage"),
    ("maxnorm", "norm"),
    ("earlystop", "stop"),
    ("earlystopping", "early|stop"),
    ("valaccuracy valacc validaccuracy", "valid.accuracy"),
    ("accuracy acc", "valid.accuracy|test.accuracy"),
    ("valloss", "valid.loss"),
    ("loss", "loss|valid.loss"),
    ("precision", "valid.precision|not in this release: training is in 32 bits"),
    ("batchsize bs perdevicetrainbatchsize", "batch"),
    ("numclasses classes", _CLASSES),
    ("imgsize imgsz imagesize inputsize resolution", "size"),
    ("transforms transform", "prepare|augment"),
    ("augmentation augmentations", "augment"),
    ("val validation", "valid"),
    ("dataset", "train|data"),
    ("dataloader", "data"),
    ("model backbone encoder", "base"),
    ("classifier fc basehead basefc baseclassifier baseoutput", "head"),
    ("layer1", "base.block1"),
    ("layer2", "base.block2"),
    ("layer3", "base.block3"),
    ("layer4", "base.block4"),
    ("pretrained", "weights"),
    ("torchvision", 'bases are `packaged("…")`, `timm("…")`, `gluoncv("…")` and `gluon("…")`'),
    ("hub", 'not in this release: `safetensors("model.safetensors")` and `torch("net.pth")` read files'),
    ("pth pytorch", "torch"),
    ("imagefolder imagefolderdataset datasetfolder imagedatasetfromdirectory flowfromdirectory", "folder"),
    ("randomsplit traintestsplit shufflesplit stratifiedshufflesplit", "holdout"),
    ("cifar10 cifar100", "cifar"),
    ("kmnist emnist qmnist idx idxfile idxfiles", "mnist"),
    ("fashionmnist", "fashion_mnist"),
    ("imagerecorddataset imagerecorditer recordfiledataset recordfiledetection recordio im2rec", "rec"),
    ("recfile recordfile record", "rec"),
    ("wds webdatasets shards tarfile tarfiles tar", "webdataset"),
    ("flowfromdataframe dataframe imagelist", "csv"),
    ("loaddataset huggingface hf hfdataset hfdatasets", _HUGGING_FACE),
    (
        "lmdb tfrecord tfrecords tfds hdf5 h5 npz beton ffcv petastorm",
        f"{_ABSENT}: `rec`, `webdataset` and `parquet` read images that lie in large files",
    ),
    ("centercrop", "center_crop"),
    ("randomresizedcrop", "random_resized_crop"),
    ("randomcrop", "random_crop"),
    ("colorjitter", "color_jitter"),
    ("horizontalflip hflip randomhorizontalflip randomflip", "flip"),
    ("randomrotation rotate randomrotate", "rotation"),
    ("randomaffine", "affine"),
    ("randomperspective", "perspective"),
    ("gaussianblur", "blur"),
    ("adjustsharpness randomadjustsharpness", "sharpness"),
    ("randomgrayscale grey greyscale", "grayscale"),
    ("randomerasing cutout reprob", "erasing"),
    ("randaugment", "rand_augment"),
    ("trivialaugment trivialaugmentwide", "trivial_augment"),
    ("autoaugment", "auto_augment"),
    ("augmix", "aug_mix"),
    ("linear", "linear|dense"),
    ("onecycle onecyclelr fitonecycle onecyclepolicy", "one_cycle"),
    ("cosineannealingwarmrestarts sgdr warmrestarts restarts", "cosine_restarts"),
    ("inversesqrt", "inverse_sqrt"),
    ("crossentropy crossentropyloss ce categoricalcrossentropy sparsecategoricalcrossentropy", "cross_entropy"),
    ("normalize normalise", f"normalize|{_NORMALIZE}"),
    ("resnet18", "resnet18_v1b"),
    ("resnet34", "resnet34_v1b"),
    ("resnet50", "resnet50_v1b"),
    ("resnet101", "resnet101_v1b"),
    ("resnet152", "resnet152_v1b"),
    ("cosineannealing cosineannealinglr", "cosine"),
    ("steplr", "step"),
    ("randomseed", "seed"),
    ("valsplit", "write `valid = holdout(20%)`"),
    ("phase training finetune fit pipeline", "stage"),
    ("stages", 'each stage is a block of its own: `stage "…" {` … `}`'),
    ("description", "about"),
    ("title", "name"),
    ("rate maxlr baselr", "lr"),
    ("momentum", "momentum|write it in the optimizer: `sgd(momentum = 0.9)`"),
    ("dropout", "dropout|write it in the head: `head = [dropout(0.2), dense(classes)]`"),
    ("labelsmoothing", "label_smoothing|write it in the loss: `loss = cross_entropy(label_smoothing = 0.1)`"),
    ("patience", "patience|write it in the stop rule: `stop = early(valid.loss, patience = 3 epochs)`"),
    ("shuffle", "training images are shuffled in each epoch, by the recipe's `seed`; there is nothing to write"),
    ("path", f"path|{_SOURCE}"),
    ("root", f"root|{_SOURCE}"),
    ("dir datadir images", _SOURCE),
    ("device gpu cuda", f"{_WHERE} `ftr run --device gpu`"),
    ("workers numworkers", f"{_WHERE} `ftr run --workers 4`"),
    ("output outputdir", f"{_WHERE} `ftr run --out folder`"),
    ("metrics", "all metrics are always computed; `monitor = valid.f1` chooses by one"),
    ("metric", "metric|monitor"),
    ("true yes on", "true"),
    ("no false off", "false"),
    ("null none nil", "none"),
)
"""Words that are a name of ours, or that their place in a recipe suggests."""

_AUGMENT = f"{_ABSENT}; `ftr explain augment` shows the steps that there are"
_MARGIN = "without its margin it is `head = [cosine_classifier(classes)]`"
_LOSS = f"{_ABSENT}; `ftr explain loss` shows the losses that there are"
_OPTIMIZER = f"{_ABSENT}; the optimizers are {listed(tuple(f'`{name}`' for name in OPTIMIZERS), 'and')}"
_SCHEDULE = f"{_ABSENT}; `ftr explain schedule` shows the schedules that there are"
_SAID = "given on the command line, not in the recipe:"
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
_FOLDS = "`valid = folds(5, use = 2)` validates on the second of five folds; with `use = $fold` a run is `--set fold=2`"
_GROUPED = (
    'images of a group go together: `valid = holdout(20%, by = "patient")`, or `folds(5, use = 1, by = "patient")`'
)
_NEWEST = '`test = holdout(20%, latest = "date")` takes the newest images'
_WEIGHTED = 'a column of a table: `csv("…", image = "file", label = "class", weights = "column")`'
_MAPPED = 'write `classes = class_map({ "cat" = ["tabby", "siamese"] }, drop = ["blurred"])` in `data`'
_FRACTION = "`valid = holdout(20%)` holds out a fraction of the training images"

_OTHER_TOOLS = (
    (
        "mosaic copypaste",
        f"{_ABSENT}: `zoom_out` and `iou_crop` vary how objects are seen, `mixup` and `cutmix` mix images of a batch",
    ),
    ("shear translate zoom zoomrange", "write `augment = [affine(degrees = 10, translate = 10%, scale = 0.8 .. 1.2)]`"),
    ("degrees rotationrange", "write `augment = [rotation(15)]`"),
    ("hsvh hsvs hsvv", "write `augment = [color_jitter(brightness = 0.2, saturation = 0.2, hue = 0.02)]`"),
    ("augtransforms multiscale rectmode elastic elastictransform noise gaussiannoise", _AUGMENT),
    ("vflip flipud verticalflip randomverticalflip", "write `augment = [flip(vertical)]`"),
    ("fliplr", "write `augment = [flip(horizontal)]`"),
    ("brightness contrast saturation hue", "write `augment = [color_jitter(brightness = 0.2)]`"),
    ("totensor toimage convertimagedtype rescale deterministic", _ALWAYS),
    ("stratified stratify stratifyby", _SHUFFLED),
    ("antialias", f"{_ABSENT}: images are always resized with antialiasing"),
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
    ("binarycrossentropy bce bceloss bcewithlogitsloss sigmoidbceloss", "binary_cross_entropy"),
    ("binaryfocal sigmoidfocalloss", "binary_focal"),
    ("asymmetricloss asl", "asymmetric"),
    ("focalloss", "focal"),
    ("mse mseloss l1loss hinge triplet tripletloss contrastive", _LOSS),
    ("dice diceloss kldiv supcon", _LOSS),
    ("arcface cosface sphereface arcmarginproduct addmarginproduct", _MARGIN),
    ("normface cosinelinear normedlinear normlinear normsoftmax cosinehead", "cosine_classifier"),
    ("gempooling gempool gem2d generalizedmean generalizedmeanpooling", "gem"),
    ("adaptiveconcatpool2d catavgmax adaptivecatavgmaxpool2d concatpool avgmaxpool", "global_avg_max_pool"),
    ("adaptiveavgpool2d globalaveragepooling2d globalavgpool2d gap", "global_avg_pool"),
    ("adaptivemaxpool2d globalmaxpooling2d globalmaxpool2d gmp", "global_max_pool"),
    ("bnneck batchnormneck batchnorm1d", "bn_neck|batch_norm"),
    ("mlphead mlpclassifier projectionhead nonlinearhead", "mlp"),
    (
        "nearestmean nearestcentroid nearestclassmean ncm prototypes prototypical protonet prototypicalnetwork imprint"
        " imprinting weightimprinting simpleshot",
        "write `head = [dense(classes, init = class_means)]`, or `cosine_classifier` with it to compare directions",
    ),
    (
        "extended extendhead addclasses newclasses classincremental continuallearning incrementallearning lwf icarl",
        'write `base = run("runs/flowers-3", head = extended)`, and claim `old.accuracy >= 90%`',
    ),
    ("ewc elasticweightconsolidation l2sp", "l2_sp"),
    ("nll nllloss softmaxcrossentropy", "cross_entropy"),
    ("softmax logsoftmax", "a part of `loss = cross_entropy`: the head ends in `dense(classes)`"),
    (
        "classweight classweights weightedloss posweight",
        "write `loss = cross_entropy(weights = balanced)`",
    ),
    (
        "weightedsampler weightedrandomsampler sampler oversampling oversample undersampling balancedsampler",
        "write `sampling = balanced` in `data`",
    ),
    ("logitadjustment logitadjust logitadjusted balancedsoftmax ldam", "write `loss = logit_adjusted`"),
    ("biasinit initbias outputbias priorprob", "write `head = [dense(classes, bias = priors)]`"),
    (
        "nadam radam adafactor muon lbfgs ftrl",
        _OPTIMIZER,
    ),
    ("lookahead lookaheadoptimizer slowweights", "write `average = lookahead` in a stage, beside any optimizer"),
    ("modelsoup modelsoups soup soups checkpointaveraging averagecheckpoints", "write `keep = greedy_soup` in a stage"),
    ("sequentiallr chainedscheduler chainlr", "write `schedule = constant(for = 60%) then cosine`"),
    ("flatcosine flatandanneal", "write `schedule = constant(for = 70%) then cosine`"),
    ("reducelronplateau lronplateau plateau plateaulr", "reduce_on_plateau"),
    ("cyclic cycliclr", _SCHEDULE),
    ("smoothing labelsmoothingfactor", "write `loss = cross_entropy(label_smoothing = 0.1)`"),
    ("lr0 initiallr startlr", _LR),
    ("lrf minlrratio", "write `schedule = cosine(final = 1%)`, as a fraction of the peak learning rate"),
    ("lrscheduletype lrschedulertype sched lrschedule", "schedule"),
    ("coslr", "`schedule = cosine` is the default of a stage; there is nothing to write"),
    ("warmupratio warmuplr warmupbiaslr warmupmomentum warmupproportion", _WARMUP),
    ("headlr lrhead backbonelr lrbackbone encoderlr discriminativelr lrmult layerwiselr llrd", _RATES),
    ("freezeepochs frozenepochs freezelayers unfreezeepoch headepochs", _FREEZE_EPOCHS),
    (
        "gradclipval gradientclipval maxgradnorm clipnorm clipgrad",
        "write `clip = global_norm(1.0)` in a stage",
    ),
    ("clipvalue clipgradvalue", "write `clip = value(0.5)` in a stage"),
    ("dropouts droprate dropoutrate", "write `head = [dropout(0.2), dense(classes)]`"),
    ("droppath droppathrate stochasticdepthprob survivalprob dropconnect dropconnectrate", "stochastic_depth"),
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
    ("resume", f"{_SAID} `ftr run --resume RUN`"),
    ("project savedir outputdirectory logdir expname", f"{_SAID} `ftr run --out FOLDER`"),
    ("accelerator devices gpus usegpu nocuda", f"{_SAID} `ftr run --device gpu`"),
    ("dataloadernumworkers nworkers njobs", f"{_SAID} `ftr run --workers 4`"),
    ("cache cacheimages", "frozen features are always cached; `ftr run --no-cache` goes without"),
    ("modelema movingaverage polyak", "write `average = ema(0.999)` in a stage"),
    (
        "amp fp16 bf16 float16 bfloat16 half mixedprecision autocast precision16",
        f"{_ABSENT}: training is in 32 bits; `features = half` in `data` caches frozen features in 16",
    ),
    ("accumulation gradientaccumulation accumulategradbatches gradientaccumulationsteps", "accumulate"),
    ("ddp distributed dataparallel multigpu", f"{_ABSENT}: a run uses one device"),
    (
        "distill knowledgedistillation kd kdloss distillationloss softtargets teachermodel teacherpath",
        'write `teacher = run("runs/…")` and `loss = distillation(cross_entropy, temperature = 4)`',
    ),
    ("quantization quantize pruning lora adapter", _ABSENT),
    ("kfold stratifiedkfold repeatedkfold crossvalidation crossval cv nfolds nsplits fold split", _FOLDS),
    ("groupkfold stratifiedgroupkfold groupshufflesplit groups group groupby", _GROUPED),
    ("timeseriessplit temporalsplit timesplit", _NEWEST),
    ("fewshot kshot nshot numshots nshots samplesperclass imagesperclass maxperclass", "shots"),
    ("mergeclasses classmerge remapclasses remap labelmap mapclasses classmapping relabel", _MAPPED),
    ("dropclasses excludeclasses ignoreclasses onlyclasses", _MAPPED),
    ("sampleweight sampleweights instanceweight exampleweight weightcol weightcolumn", _WEIGHTED),
    ("ensemble", _ABSENT),
    ("testtimeaugmentation testtimeaug", "write `tta = [flip]` in `data`"),
    ("temperaturescaling calibration calibrated plattscaling", "write `calibrate = temperature` in `data`"),
    ("objectdetection", "detection"),
    ("map5095", "ap"),
    ("map50", "ap50"),
    ("meanaverageprecision", "map"),
    ("microf1", "f1_micro"),
    ("macrof1", "f1_macro"),
    ("subsetaccuracy exactmatchratio", "exact_match"),
    ("map75", "ap75"),
    ("multilabel multilabelclassification", "multi_label"),
    ("requiresgrad gradreq", "a stage names what trains, the rest is frozen: `train = head`"),
    ("freezebn bnfreeze", "write `norm = frozen` in a stage"),
    ("validpct valpct splitratio validationsplit validsplit testsplit testsize valsize validsize", _FRACTION),
    ("parent inherits inherit import include", _EXTENDS),
    ("ignore noqa disable suppress silence nolint", _ALLOW),
    ("dataroot", "an option of the commands: `ftr run recipe.ftr --data-root FOLDER`"),
)
"""Words that no place in a recipe suggests: what does their work here, or that nothing does."""


def _by_word(rows: tuple[tuple[str, str], ...]) -> dict[str, str]:
    return {word: answer for words, answer in rows for word in words.split()}


FOREIGN = _by_word(_OTHER_TOOLS)
HABITS = FOREIGN | _by_word(_NAMES)

_RENAMED = """
augmentation augmentations batchsize bs categoricalcrossentropy ce centercrop colorjitter cosineannealing
cosineannealinglr criterion crossentropy crossentropyloss eps freeze gamma gradclip gradientclip hflip
horizontalflip imagefolder imagesize imgsize learningrate lrscheduler maxnorm milestones optim randomcrop
randomflip randomhorizontalflip randomresizedcrop randomseed scheduler steplr stepsize val valacc valaccuracy
valloss wd
"""
# Nothing is lost and nothing guessed where `ftr fix` writes our name instead. `min_lr` is not among them: it is a
# learning rate, and `final` a fraction of the peak.
RENAMINGS = frozenset(_RENAMED.split())
