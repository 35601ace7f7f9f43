"""The commands that give a run away, and take one: as a file, or through a repository of a hub."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

import click

from runtime.commands.command import FINE, INVALID, command, echo, tell
from runtime.commands.options import FILE_PATH, FORCE, PATH, RUN, RUN_PATH, out_option

PACK = click.argument("pack", type=PATH)
LICENCE = click.option("--license", "licence", default="", metavar="ID", help="The model's licence, e.g. apache-2.0.")


@click.command()
@RUN
@out_option("The pack, or a folder for it; the run's name with .ftrpack, here, by default.", FILE_PATH)
@click.option("--no-weights", "weights", is_flag=True, default=True, flag_value=False, help="Leave the weights out.")
@LICENCE
@FORCE
@command
def pack(run: Path, out: Path | None, weights: bool, licence: str, force: bool) -> int:
    """Pack a run into one file, without its data.

    It holds the recipe, classes, metrics, weights and a model card.
    """
    from runtime.reporting.model_card import card_text
    from runtime.runs.pack.file import refuse_pack
    from runtime.runs.pack.pack import pack_run

    refuse_pack(run, "it is packed already", "copy it, or make a run folder of it with `ftr unpack {}`")
    path, notes = pack_run(run, out, weights=weights, licence=licence, force=force, card_text=card_text)
    echo(f"{path}: {path.stat().st_size:,} bytes")
    for note in notes:
        tell(note)
    return FINE


@click.command()
@PACK
@out_option("The folder; named after the pack by default.")
@command
def unpack(pack: Path, out: Path | None) -> int:
    """Unpack a pack into a new run folder."""
    from runtime.runs.pack.pack import unpack as unpack_file

    click.echo(unpack_file(pack, out))
    return FINE


@click.command()
@click.argument("what", type=RUN_PATH, metavar="RUN")
@click.argument("repository", metavar="OWNER/NAME")
@click.option("--private", is_flag=True, help="Make a new repository private.")
@LICENCE
@command
def push(what: Path, repository: str, private: bool, licence: str) -> int:
    """Upload a run or a pack to the Hugging Face hub.

    The repository is created if needed. Needs the extra `hub` and a token: `hf auth login`, or the variable HF_TOKEN.
    """
    import tempfile

    from runtime.reporting.model_card import card_text
    from runtime.runs.pack.pack import pack_run
    from runtime.runs.pack.signature import is_pack

    if is_pack(what) and licence:
        raise click.UsageError("--license is for a run folder: a pack has its model card already")
    if not _has_hub():
        return INVALID
    from runtime.workflows.hub import push_pack

    with tempfile.TemporaryDirectory(prefix="ftr-push-") as folder:
        path = what
        if not is_pack(what):
            path, notes = pack_run(what, Path(folder, "model.ftrpack"), licence=licence, card_text=card_text)
            for note in notes:
                tell(note)
        echo(push_pack(path, repository, private=private))
    return FINE


@click.command()
@click.argument("repository", metavar="OWNER/NAME[@REVISION]")
@out_option("The pack, or a folder for it; NAME.ftrpack by default.", FILE_PATH)
@FORCE
@command
def pull(repository: str, out: Path | None, force: bool) -> int:
    """Download a pack from the Hugging Face hub. It is checked before it is kept."""
    if not _has_hub():
        return INVALID
    from runtime.workflows.hub import pull_pack

    path = pull_pack(repository, out, force=force)
    click.echo(path)
    echo(f"next: ftr show {quote(str(path))}, then ftr predict {quote(str(path))} PHOTO")
    return FINE


def _has_hub() -> bool:
    from importlib.util import find_spec

    if find_spec("huggingface_hub") is None:
        from runtime.system.installation import install_command

        tell(f"push and pull need huggingface_hub: {install_command('hub')}")
        return False
    return True
