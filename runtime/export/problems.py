"""What can keep a network from being exported (E646 to E649, E651 to E654)."""

from __future__ import annotations

from recipe_lang.problem import Kind

ExtraMissing = Kind(
    "E646",
    "extra not installed",
    reason="""`ftr export --format onnx` writes with the package onnx and checks what it wrote with onnxruntime.

    Both are large, and nothing else needs them: they are the extra `onnx`.""",
    fields="package command",
    message="`--format onnx` needs the package {package}, which is not installed",
    help="install it: `{command}`",
)

NotTranslatable = Kind(
    "E647",
    "operator without a translation",
    reason="""Each operator of a network becomes operators of ONNX by a row of a table, which is tested against MXNet.

    What has no row there cannot leave as ONNX, and nothing is written. A `prepare` step without one can stay outside
    of the graph (`--raw`).""",
    fields="path operator",
    message="{path:printable} cannot be exported to ONNX: there is no translation of `{operator:printable}`",
    help="export it with `--format symbol`, which any network can be",
)

ExportDiffers = Kind(
    "E648",
    "exported model differs",
    reason="""An exported graph answers images of the run's own test set before it is written, as `ftr predict` does.

    Another runtime rounds otherwise, so answers differ a little. If they differ by more than rounding, the file would
    give other answers than the run that it claims to be, so it is not written.""",
    fields="path verdict",
    message="{path:printable} was not written: {verdict}",
    help="this is a fault of ftr or of the installed onnxruntime; `--unchecked` writes it all the same",
)

NotExported = Kind(
    "E649",
    "not a file of this run",
    reason="""`ftr export` notes the SHA-256 of each file that it writes in the lock of the run's folder.

    A file whose sum is not there was exported from another run, was changed since, or was exported from a pack, which
    takes no notes.""",
    fields="path run known",
    message="{path:printable} is none of the files that were exported from {run:printable}",
    help=("exported were: {known:printable}", "nothing has been exported from it"),
)

PrecisionCosts = Kind(
    "E651",
    "precision costs answers",
    reason="""A graph of fewer bits answers the validation images before it is written, as `ftr predict` does.

    Other numbers are expected, other answers are not: where fewer than the share that `--precision` asks for (98% for
    float16 and int8) mean the same, the file is not written. Networks of depthwise convolutions and with swish often
    lose more in eight bits than others.""",
    fields="path precision verdict share",
    message="{path:printable} was not written: in {precision}, {verdict}; {share} are asked for",
    help="`--precision float32` keeps the answers; `--unchecked` writes it all the same",
)

GraphRefused = Kind(
    "E652",
    "onnxruntime refuses the graph",
    reason="""Before a graph is written, onnxruntime loads it and answers images.

    What its release cannot run is not written. The extra `onnx` installs releases that fit.""",
    fields="version reason",
    message="onnxruntime {version} refuses the graph: {reason:printable}",
    help="this is a fault of ftr or of the installed onnxruntime; `--unchecked` writes it all the same",
)

NothingToCheck = Kind(
    "E653",
    "no image to check with",
    reason="""An exported graph answers images of the run's own test or validation set before it is written.

    Where `on_error = skip` leaves out what cannot be read, and that is all of them, nothing can be compared. Images
    that have moved are found with `--data-root`.""",
    fields="set count image reason",
    message="none of the {count:counted image} of {set} can be read: {image:printable}: {reason:printable}",
    help="`--data-root` says where the images are now; `--unchecked` writes the file without a check",
)
