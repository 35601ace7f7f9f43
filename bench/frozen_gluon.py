"""The hand-written Gluon program of `bench/frozen.py`: `python bench/frozen_gluon.py JOB.json`.

Written as GluonCV's tutorials on fine-tuning are: images read by a `DataLoader` of two processes with the transforms of
`gluon.data.vision`, the whole network recorded, what is frozen frozen by `grad_req = 'null'`, `net.hybridize()`, the
validation set measured after each epoch.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from frozen_job import Job, Stage, note, read_job

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from runtime.backend.mx import array, autograd, gluon, gluoncv, mx, nn  # noqa: E402
from runtime.models import efficientnet_lite

WORKERS = 2


def network(job: Job) -> Any:
    """Return the network with a new classifier; of EfficientNet-Lite0, which the zoo lacks, that of ftr."""
    if job.net == "efficientnet_lite0":
        base = efficientnet_lite.build(job.net, job.size)
        net = nn.HybridSequential()
        net.add(*(block for _, block in base.parts), base.tail, nn.Dense(job.classes, in_units=base.features))
        return net
    net = gluoncv().model_zoo.get_model(job.net, pretrained=False)
    if hasattr(net, "fc"):
        net.fc = nn.Dense(job.classes, in_units=net.fc.weight.shape[1])
    else:
        net.output = nn.HybridSequential()
        net.output.add(nn.Flatten(), nn.Dense(job.classes))
    return net


def fill(net: Any, job: Job) -> list[Any]:
    """Give a network its start values; return its parameters in the same order."""
    net.initialize()
    net(mx.nd.zeros((1, 3, job.size, job.size)))  # shapes that are not known yet
    parameters = list(net._collect_params_with_prefix().values())
    with np.load(job.arrays) as arrays:
        for parameter, name in zip(parameters, arrays.files, strict=True):
            assert parameter.shape == arrays[name].shape, name
            parameter.set_data(array(arrays[name]))
    return parameters


def loaders(job: Job) -> tuple[Any, Any]:
    """Return the batches of the training and the validation set."""
    t = gluon.data.vision.transforms
    to_input = [t.ToTensor(), t.Normalize(job.mean, job.std)]
    prepare = [t.Resize(job.size, keep_ratio=True), t.CenterCrop(job.size)]
    crop = [t.RandomResizedCrop(job.size, scale=(0.4, 1.0)), t.RandomFlipLeftRight()]
    folder = gluon.data.vision.ImageFolderDataset
    train = folder(job.train).transform_first(t.Compose([*(crop if job.crop else prepare), *to_input]))
    valid = folder(job.valid).transform_first(t.Compose([*prepare, *to_input]))
    loader = gluon.data.DataLoader
    return (
        loader(train, batch_size=job.batch, shuffle=True, last_batch="discard", num_workers=WORKERS),
        loader(valid, batch_size=job.batch, num_workers=WORKERS),
    )


def accuracy(net: Any, batches: Any) -> float:
    metric = mx.metric.Accuracy()
    for images, labels in batches:
        metric.update([labels], [net(images.as_in_context(mx.cpu()))])
    return float(metric.get()[1])


def run_stage(job: Job, position: int, stage: Stage, net: Any, parameters: list[Any], train: Any, valid: Any) -> None:
    for place, parameter in enumerate(parameters):
        if parameter._differentiable:
            parameter.grad_req = "null" if place < stage.frozen else "write"
    net.hybridize()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": stage.lr})
    criterion = gluon.loss.SoftmaxCrossEntropyLoss()
    note(job, "stage_started", stage=position)
    for epoch in range(stage.epochs):
        total = 0.0
        for images, labels in train:
            images, labels = images.as_in_context(mx.cpu()), labels.as_in_context(mx.cpu())
            with autograd.record():
                loss = criterion(net(images), labels)
            loss.backward()
            trainer.step(job.batch)
            total += float(loss.mean().asscalar())
        measured = {"train_loss": total / len(train), "accuracy": accuracy(net, valid)}
        note(job, "evaluated", stage=position, epoch=epoch + 1, **measured)
    note(job, "stage_finished", stage=position)


def main() -> None:
    job = read_job(sys.argv[1])
    mx.random.seed(job.seed)
    np.random.seed(job.seed)  # the order of a DataLoader
    net = network(job)
    parameters = fill(net, job)
    train, valid = loaders(job)
    for position, stage in enumerate(job.stages):
        run_stage(job, position, stage, net, parameters, train, valid)
    net.save_parameters(str(Path(job.out) / "model.params"))


if __name__ == "__main__":
    main()
