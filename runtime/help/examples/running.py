"""Examples of what goes wrong while a command runs (E6). Rows only."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.help.examples import Example

TAUGHT = """\
ftr 1
teacher = run("runs/{teacher}")
loss    = distillation
data {{
  train = folder("photos")
  size  = 32px
  batch = 8
}}
base = gluoncv("cifar_resnet20_v1", weights = none)
stage "all" {{
  train = all
  for   = 3 epochs
}}"""

_OWN_STEPS = """\
data {{
  train = folder("photos")
  size  = 32px
  batch = 8
}}
stage "all" {{
  train = all
  for   = 2 epochs
{own}}}"""
_POPULATION = """\
param share = 0.2 in 0.1 .. 0.5
head = [dropout({share}), dense(classes)]
data {{
  train   = folder("photos")
  size    = 32px
  batch   = 8
  augment = [rotation({turn})]
}}
stage "all" {{
  train = all
  for   = 2 epochs
}}"""

EXAMPLES: Mapping[str, Example] = {
    "E601": Example(
        "optimizer = sgd(lr = 100, weight_decay = 10)\nschedule = constant",
        "optimizer = sgd(lr = 0.01, weight_decay = 1e-4)\nclip = global_norm(1.0)",
        "stage",
    ),
    "E602": Example(
        "ftr run flowers.ftr --device gpu",
        "ftr run flowers.ftr --device cpu",
        "shell",
        "This build of MXNet has no CUDA, or the machine no GPU.",
    ),
    "E603": Example(
        "ftr run flowers.ftr --out notes.txt/run",
        "ftr run flowers.ftr --out runs/new",
        "shell",
        "notes.txt is a file, and no folder can be made in it.",
    ),
    "E604": Example(
        "ftr run flowers.ftr --out runs/flowers-1",
        "ftr run flowers.ftr --out runs/new",
        "shell",
        "runs/flowers-1 is the folder of an earlier run.",
    ),
    "E605": Example(
        "ftr evaluate runs", "ftr evaluate runs/flowers-1", "shell", "The run is the folder runs/flowers-1."
    ),
    "E608": Example(
        "ftr evaluate runs/flowers-1 --on test",
        "ftr evaluate runs/flowers-1 --on valid",
        "shell",
        "The recipe has no `test`.",
    ),
    "E690": Example(
        "ftr evaluate runs/flowers-1 --stage heda", "ftr evaluate runs/flowers-1 --stage head", "shell", "A typo."
    ),
    "E691": Example(
        "ftr evaluate runs/flowers-1 --stage head",
        "ftr evaluate runs/flowers-1",
        "shell",
        "Ctrl-C ended the run in its first stage.",
    ),
    "E606": Example(
        "ftr predict runs/flowers-1 rose.jgp",
        "ftr predict runs/flowers-1 rose.jpg",
        "shell",
        "The photo is called rose.jpg.",
    ),
    "E610": Example(
        TAUGHT.format(teacher="tags-1"),
        TAUGHT.format(teacher="flowers-1"),
        "file",
        "runs/tags-1 is a run of `task = multi_label`.",
    ),
    "E611": Example(
        TAUGHT.format(teacher="cats-1"),
        TAUGHT.format(teacher="flowers-1"),
        "file",
        "runs/cats-1 knows breeds of cats, and the recipe learns flowers.",
    ),
    "E613": Example(
        "ftr run flowers.ftr --engine local --size 6",
        "ftr run flowers.ftr --engine local",
        "shell",
        "flowers.ftr has `shards = 4`; without --size there are as many workers as shards, or as cores.",
    ),
    "E617": Example(
        "ftr run flowers.ftr --engine mpi",
        "mpiexec -n 2 ftr run flowers.ftr --resume runs/flowers-1 --engine mpi",
        "shell",
        "This is rank 0 of three; rank 1 was switched off during the run, and the other two resume it.",
    ),
    "E618": Example(
        "ftr run flowers.ftr --engine mpi --set lr=1e-2",
        "mpiexec -n 2 ftr run flowers.ftr --engine mpi --set lr=1e-2",
        "shell",
        "This is rank 1, and rank 0 was started without `--set`.",
    ),
    "E619": Example(
        "ftr run flowers.ftr --engine mpi",
        "mpiexec -n 2 ftr run flowers.ftr --engine mpi",
        "shell",
        "mpi4py was not installed.",
    ),
    "E620": Example(
        "ftr run flowers.ftr --engine kvstore --role worker",
        "mpiexec -n 2 ftr run flowers.ftr --engine mpi",
        "shell",
        "A worker of a parameter server has to be told where the scheduler is; under MPI the launcher does that.",
    ),
    "E607": Example("size = 4096px\nbatch = 4096", "size = 224px\nbatch = 32", "data"),
    "E640": Example(
        "ftr run --resume runs/flowers-1",
        "ftr run flowers.ftr",
        "shell",
        "A disk fault has damaged both checkpoints in runs/flowers-1.",
    ),
    "E641": Example(
        "ftr run --resume runs/flowers-1",
        "ftr run flowers.ftr",
        "shell",
        "The folder runs/flowers-1/checkpoints comes from another run.",
    ),
    "E642": Example(
        "ftr run --resume runs/flowers-1",
        "ftr run runs/flowers-1/resolved.ftr --resume runs/flowers-1",
        "shell",
        "flowers.ftr was edited after the run began.",
    ),
    "E643": Example(
        "ftr run --resume runs/flowers-1",
        "ftr run flowers.ftr",
        "shell",
        "The run itself is still writing into runs/flowers-1.",
    ),
    "E644": Example("ftr run --resume runs", "ftr run --resume runs/flowers-1", "shell", "The run is runs/flowers-1."),
    "E645": Example(
        "ftr run flowers.ftr --resume runs/flowers-1 --extend",
        "ftr run longer.ftr --resume runs/flowers-1 --extend",
        "shell",
        "In longer.ftr the last stage has `for = 20 epochs`, in flowers.ftr and in the run 10.",
    ),
    "E646": Example(
        "ftr export runs/flowers-1 --format onnx",
        "ftr export runs/flowers-1",
        "shell",
        "This ftr was installed without the extra `onnx`.",
    ),
    "E647": Example(
        "ftr export runs/flowers-1 --format onnx",
        "ftr export runs/flowers-1",
        "shell",
        "The network has an operator that no row of the table translates.",
    ),
    "E648": Example(
        "ftr export runs/flowers-1 --format onnx",
        "ftr export runs/flowers-1",
        "shell",
        "The installed onnxruntime has a fault.",
    ),
    "E649": Example(
        "ftr verify found.onnx --run runs/flowers-1",
        "ftr verify flowers-0000.params --run runs/flowers-1",
        "shell",
        "flowers-0000.params was exported from runs/flowers-1, found.onnx was not.",
    ),
    "E650": Example(
        "size = 1024px\nbatch = 256",
        "size = 224px\nbatch = 32",
        "data",
        "The scheduler gives a job 4 GB of memory, and kills it when it takes more.",
    ),
    "E651": Example(
        "ftr export runs/flowers-1 --format onnx --precision int8",
        "ftr export runs/flowers-1 --format onnx",
        "shell",
        "In eight bits the network takes other classes for the best.",
    ),
    "E652": Example(
        "ftr export runs/flowers-1 --format onnx",
        "ftr export runs/flowers-1",
        "shell",
        "Another onnxruntime is installed than the extra `onnx` asks for.",
    ),
    "E653": Example(
        "ftr export runs/flowers-1 --format onnx",
        "ftr export runs/flowers-1 --format onnx --unchecked",
        "shell",
        "The recipe says `on_error = skip`, and the disk with the photos is gone.",
    ),
    "E621": Example(
        "ftr tune flowers.ftr --trials 1 --metric loss",
        "ftr tune flowers.ftr --trials 1 --metric accuracy",
        "shell",
        "The recipe has `param gamma = 2.0 in 0 .. 5` and `loss = focal(gamma = $gamma)`.",
    ),
    "E625": Example(
        "ftr tune flowers.ftr --trials 1 --set lr=0.001",
        "ftr tune flowers.ftr --trials 1",
        "shell",
        "The recipe has one parameter, `param lr = 1e-3 in log(1e-5 .. 1e-1)`.",
    ),
    "E626": Example(
        "ftr tune flowers.ftr --trials 1 --metric test.accuracy",
        "ftr tune flowers.ftr --trials 1 --metric accuracy",
        "shell",
    ),
    "E627": Example(
        "param side = 128px in 96px .. 224px\n\ndata {\n  train = digits\n  size = $side\n}",
        "param side = 128px in range(96px .. 224px, step = 32px)\n\ndata {\n  train = digits\n  size = $side\n}",
        given="The recipe is searched by `ftr tune`.",
    ),
    "E628": Example(
        "ftr tune --resume runs/flowers-tune-1 --seed 4",
        "ftr tune --resume runs/flowers-tune-1",
        "shell",
        "The study began with the seed 0.",
    ),
    "E629": Example(
        "ftr tune --resume runs/flowers-1",
        "ftr tune --resume runs/flowers-tune-1",
        "shell",
        "runs/flowers-1 is a run.",
    ),
    "E630": Example(
        "ftr tune flowers.ftr --trials 1 --storage nowhere/study.journal",
        "ftr tune flowers.ftr --trials 1 --storage study.journal",
        "shell",
        "There is no folder nowhere.",
    ),
    "E631": Example(
        "ftr tune flowers.ftr --trials 1 --metric accuracy --metric parameters --sampler cmaes",
        "ftr tune flowers.ftr --trials 1 --metric accuracy --metric parameters --sampler nsga2",
        "shell",
    ),
    "E632": Example(
        'ftr tune flowers.ftr --for "0.001 seconds" --write best.ftr',
        "ftr tune flowers.ftr --trials 1 --write best.ftr",
        "shell",
        "The time is up before the first trial begins.",
    ),
    "E659": Example(
        "ftr features flowers.ftr --engine ray --address 10.0.0.1:6379",
        "ftr features flowers.ftr",
        "shell",
        "Ray is not installed.",
    ),
    "E660": Example(
        "ftr features flowers.ftr --engine ray --address 127.0.0.1:1",
        "ftr features flowers.ftr",
        "shell",
        "Nobody answers at that address.",
    ),
    "E661": Example(
        "ftr features flowers.ftr --engine ray --address 10.0.0.1:6379",
        "ftr features flowers.ftr",
        "shell",
        "A machine of the cluster has an older processor, and another Pillow.",
    ),
    "E695": Example(
        "ftr evaluate runs/flowers-1 --data photos --strict",
        "ftr evaluate runs/flowers-1 --data photos-of-2026 --strict",
        "shell",
        "The run was trained on the folder photos.",
    ),
    "E696": Example(
        "ftr evaluate flowers.ftrpack --data photos-of-2026 --strict",
        "ftr evaluate runs/flowers-1 --data photos-of-2026 --strict",
        "shell",
        "The pack was made from the folder runs/flowers-1.",
    ),
    "E612": Example(
        'base = run("runs/flowers-3", head = extended)\n\ndata {\n  train = folder("photos")\n'
        "  test = holdout(20%)\n  batch = 4\n}\n\nexpect {\n  new.accuracy >= 90%\n}",
        'base = run("runs/flowers-3", head = extended)\n\ndata {\n  train = folder("photos")\n'
        "  test = holdout(20%)\n  batch = 4\n}\n\nexpect {\n  old.accuracy >= 90%\n}",
        given="runs/flowers-3 knows all classes of the photos.",
    ),
    "E654": Example(
        "ftr run flowers.ftr --seed 1 --out runs/other --quiet\nftr compare runs/flowers-1 runs/other",
        "ftr run flowers.ftr --set lr=0.01 --out runs/other --quiet\nftr compare runs/flowers-1 runs/other",
        "shell",
        "The runs of the first have other seeds, and the holdout other images with each.",
    ),
    "E655": Example(
        "ftr compare runs/flowers-1 runs/flowers-1 --metric valid.map",
        "ftr compare runs/flowers-1 runs/flowers-1 --metric valid.f1",
        "shell",
        "Classification has no `map`.",
    ),
    "E633": Example(
        "ftr tune --resume runs/flowers-tune-1 --members 8",
        'ftr tune flowers.ftr --sampler pbt --members 8 --for "1 second" --out runs/again',
        "shell",
        "runs/flowers-tune-1 is a population of five members.",
    ),
    "E634": Example(
        _POPULATION.format(share="$share", turn="15"),
        _POPULATION.format(share="0.2", turn="$share"),
        given="The recipe is searched by `ftr tune --sampler pbt`.",
    ),
    "E635": Example(
        _OWN_STEPS.format(own="  augment = [flip]\n"),
        _OWN_STEPS.format(own=""),
        given="The recipe is searched by `ftr tune --policy`.",
    ),
}
