"""What can keep a network from being exported (E646 to E649)."""

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
