"""What people type out of habit instead of our commands and options: rows, and the one right answer to each.

In goes what click did not understand, with the words of the command line; out comes a sentence. A form of a row is
chosen by what its first path is: `{recipe}`, `{run}`, `{folder}` (of images), `{image}`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from glob import escape
from pathlib import Path
from shlex import quote

from recipe_lang.problem import RecipeError
from recipe_lang.suggest import suggest

_TRAINS = ("ftr run {recipe}", "ftr run --resume {run}", "ftr new {folder}")
_MEASURES = ("ftr evaluate {run}",)

_COMMAND_ROWS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("train fit finetune fine-tune fine_tune start launch execute exec go learn", _TRAINS),
    ("sweep search hpo optimize hyperopt optuna", ("ftr tune {recipe}",)),
    ("resume continue restart", ("ftr run --resume {run}",)),
    ("init create generate scaffold make quickstart start-project wizard", ("ftr new {folder}",)),
    ("validate lint verify-recipe syntax", ("ftr check {recipe}", "ftr evaluate {run}")),
    ("val eval test score measure metrics report", _MEASURES),
    ("infer inference classify pred prediction detect label", ("ftr predict {run} {rest}",)),
    ("ls list history experiments status diff leaderboard", ("ftr runs",)),
    ("format prettify beautify", ("ftr fmt {recipe}",)),
    ("docs doc man info describe what define whatis", ("ftr explain {word}",)),
    ("print cat view", ("ftr show {recipe}", "ftr evaluate {run}")),
    ("dry-run dryrun preview summary estimate simulate", ("ftr plan {recipe}",)),
    ("bench benchmark profile time", ("ftr plan --probe {recipe}",)),
    ("save convert onnx deploy serve", ("ftr export {run}",)),
    ("reproduce repro replicate", ("ftr verify {run}", "ftr verify {recipe}")),
    ("archive bundle zip share", ("ftr pack {run}",)),
    ("upload publish", ("ftr push {run} OWNER/NAME",)),
    ("download get clone", ("ftr pull OWNER/NAME",)),
    ("dataset datasets inspect eda", ("ftr data check {recipe}", "ftr new {folder}")),
    ("clean clear-cache purge", ("ftr cache clear",)),
    ("version", ("ftr --version",)),
    ("commands usage", ("ftr --help",)),
    ("repair autofix", ("ftr fix {recipe}",)),
    ("lr_find lrfind", ("ftr lr-find {recipe}",)),
    (
        "tensorboard plot curves logs log",
        ("each run folder has `curves.png` and `metrics.jsonl`; `ftr runs` lists the runs",),
    ),
    ("config configure settings", ("everything that counts is in the recipe: `ftr new FOLDER` writes one",)),
    ("install update upgrade", ("use pip: nothing is installed by ftr",)),
)
_COMMANDS = {word: forms for words, forms in _COMMAND_ROWS for word in words.split()}

_PLACEHOLDERS = {"recipe": "FILE", "run": "RUN", "folder": "FOLDER", "word": "WORD"}


def instead_of_command(words: Sequence[str], commands: Iterable[str]) -> str:
    """Say what to type where the first of the words is no command."""
    word, given = words[0], [each for each in words[1:] if not each.startswith("-")]
    forms = _COMMANDS.get(word.lower())
    if forms is None and not given and (kind := _kind(word)):
        forms, given = ("ftr run {recipe}", "ftr evaluate {run}", "ftr new {folder}"), [word]
    if forms is None:
        near = suggest(word, commands)
        return f"there is no command `{word}`: " + (
            f"did you mean `ftr {near}`?" if near else "`ftr --help` lists them"
        )
    kind = _kind(given[0]) if given else ""
    form = next((form for form in forms if kind and f"{{{kind}}}" in form), forms[0])
    if kind == "recipe" and "{run}" in form:
        given[0] = newest_run(Path(given[0])) or "RUN"
    told = f"write `{_filled(form, given)}`" if form.startswith("ftr ") and "`" not in form else form
    return f"there is no command `{word}`: {told}"


def _filled(form: str, given: Sequence[str]) -> str:
    names = {name: quote(given[0]) if given else metavar for name, metavar in _PLACEHOLDERS.items()}
    return form.format(**names, rest=" ".join(map(quote, given[1:])) or "IMAGE")


def _kind(path: str) -> str:
    """Return what a path is, as the forms call it; empty where that is not plain."""
    if os.path.isdir(path):
        return "run" if is_run(Path(path)) else "folder"
    return "recipe" if path.endswith((".ftr", ".ftr.json")) else "run" if path.endswith(".ftrpack") else ""


def is_run(folder: Path) -> bool:
    """Whether a folder is that of a run, ended or not."""
    return any(os.path.isfile(folder / name) for name in ("plan.json", "run.json", "resolved.ftr"))


# --- options ----------------------------------------------------------------------------------

_OPTION_ROWS = (
    ("gpu gpus cuda use_gpu use_cuda accelerator g", "--device gpu"),
    ("cpu no_cuda no_gpu", "--device cpu"),
    ("output output_dir outdir out_dir o save_dir savedir project logdir log_dir dest", "--out {}"),
    ("num_workers nworkers n_workers j jobs n_jobs dataloader_workers", "--workers {}"),
    ("num_threads nthreads cpus cores", "--threads {}"),
    ("q silent no_progress", "--quiet"),
    ("v verbose", "--debug"),
    ("topk top_k k n", "--top {}"),
    ("strict werror fail_on_warning", "--deny-warnings"),
    ("overwrite f y yes exist_ok", "--force"),
    ("inplace in_place i w apply", "--write"),
    ("fmt", "--{}"),
    ("restore continue last", "--resume RUN"),
    ("split subset", "--on {}"),
    ("param define D override hparam", "--set {}"),
    ("s random_seed manual_seed random_state", "--seed {}"),
    ("repeat repeats n_seeds num_seeds num_runs", "--seeds {}"),
)
_OPTIONS = {word: ours for words, ours in _OPTION_ROWS for word in words.split()}

_RECIPE_ROWS = (
    ("epochs epoch ep e num_epochs n_epochs nb_epochs max_epochs num_train_epochs duration length", "for", "{} epochs"),
    ("steps max_steps num_steps iterations iters", "for", "{} steps"),
    ("b bs batch batch_size batchsize per_device_train_batch_size train_batch_size", "batch", "{}"),
    ("lr learning_rate lr0 base_lr max_lr rate", "lr", "{}"),
    ("imgsz img_size image_size img input_size resolution crop_size", "size", "{}"),
    ("m model arch backbone architecture network", "base", "{}"),
    ("opt optim optimizer", "optimizer", "{}"),
    ("sched scheduler lr_scheduler lr_scheduler_type schedule", "schedule", "{}"),
    ("warmup warmup_epochs warmup_ratio", "warmup", "{}"),
    ("wd weight_decay l2", "weight_decay", "{}"),
    ("smoothing label_smoothing", "label_smoothing", "{}"),
    ("data dataset data_dir data_path train_dir root", "train", "{}"),
    ("val val_dir valid_dir", "valid", "{}"),
    ("n name run_name exp_name experiment", "name", "{}"),
)
_IN_RECIPE = {word: (name, form) for words, name, form in _RECIPE_ROWS for word in words.split()}


def instead_of_option(command: str, options: Iterable[str], option: str, words: Sequence[str]) -> str:
    """Say what to type instead of an option that a command does not have; empty where nothing is known.

    `words` are those of the command line, with the value of the option and the recipe; `option` may also be a
    `NAME=VALUE` that stands alone, as other tools take it.
    """
    typed, _, joined = option.lstrip("-").partition("=")
    name = typed.replace("-", "_")
    value = joined or _value_of(option, words)
    ours = _OPTIONS.get(name, "").format(quote(value) if value else "…")
    if ours.split(" ")[0] in options:
        return f"`ftr {command}` has no `{_shown(option)}`: write `{ours}`"
    recipe = next((word for word in words[1:] if _kind(word) == "recipe" and os.path.isfile(word)), "")
    told = _in_recipe(name.lower(), value, recipe, command) if "--set" in options else ""
    return f"`ftr {command}` takes no `{_shown(option)}`: {told}" if told else ""


def without_value(flags: Mapping[str, str | None], words: Sequence[str]) -> str:
    """Say of a word behind an option that takes none what the option does; empty where there is no such word."""
    pairs = [(flag, word) for flag, word in zip(words, words[1:], strict=False) if flag in flags and word[:1] != "-"]
    odd = [pair for pair in pairs if not os.path.lexists(pair[1])] or pairs  # rather no path, which has its own place
    if not odd:
        return ""
    flag, word = odd[0]
    return f"`{flag}` takes no value, such as `{word}`. {flags[flag] or ''}"


def _shown(option: str) -> str:
    return option.partition("=")[0] if option.startswith("-") else option


def _value_of(option: str, words: Sequence[str]) -> str:
    """Return the value of an option, `--lr=3` or the word behind it, where that can be one."""
    joined = [word.partition("=")[2] for word in words if word.startswith(f"{option}=")]
    if joined:
        return joined[0]
    behind = [after for word, after in zip(words, words[1:], strict=False) if word == option]
    return behind[0] if behind and not behind[0].startswith("-") and _kind(behind[0]) != "recipe" else ""


def _in_recipe(word: str, value: str, path: str, command: str) -> str:
    """Say which setting or which line of the recipe is what an option stands for."""
    from recipe_lang.check.locations import how_to_write, parameter_of
    from recipe_lang.compose.load import load
    from recipe_lang.source import Source
    from recipe_lang.suggest import habit_of
    from recipe_lang.syntax.nodes import Recipe
    from runtime.vocabulary import VOCABULARY

    try:
        recipe = load(path, outside=True) if path else Recipe(Source("", ""), ())
    except RecipeError:
        recipe = Recipe(Source("", ""), ())
    name, form = _IN_RECIPE.get(word, (word, "{}"))
    value = _with_unit(value, form)
    parameter = parameter_of(recipe, word, VOCABULARY) or parameter_of(recipe, name, VOCABULARY)
    if parameter:
        setting = quote(f"{parameter}={value}") if value else f"{parameter}=…"
        return f"the recipe has a parameter for it: write `--set {setting}`"
    place = how_to_write(recipe, name, value, VOCABULARY)
    if place:
        of = f" of {path}" if path and " of " not in place else ""
        return f"what changes the result belongs in the recipe; write {place}{of}"
    answer = habit_of(word, VOCABULARY.habits)
    return next((each for each in answer.split("|") if " " in each), "")


def _with_unit(value: str, form: str) -> str:
    if not re.fullmatch(r"\d+", value):
        return value
    text = form.format(value)
    return text.removesuffix("s") if value == "1" and form != "{}" else text


# --- paths ------------------------------------------------------------------------------------


def instead_of_folder(command: str, folder: Path) -> str:
    """Say what to type where a folder stands in the place of a recipe."""
    shown = quote(str(folder))
    if is_run(folder):
        if command != "run":
            recipe = quote(str(folder / "resolved.ftr"))
            return f"{folder} is the folder of a run: write `ftr {command} {recipe}` for its recipe"
        from runtime.runs.folder import has_ended

        try:
            ended = has_ended(folder)
        except RecipeError:  # its result is damaged: there is one
            ended = True
        if ended:
            return f"{folder} is a run that has ended: `ftr verify {shown}` trains it again and compares"
        return f"{folder} is a run that has not ended: `ftr run --resume {shown}` resumes it"
    recipes = sorted(folder.glob("*.ftr"))
    if recipes:
        more = f", or another of its {len(recipes)} recipes" if len(recipes) > 1 else ""
        return f"{folder} is a folder: write `ftr {command} {quote(str(recipes[0]))}`{more}"
    return f"{folder} is a folder: `ftr new {shown}` writes a recipe for its images"


def newest_run(path: Path) -> str:
    """Return the newest run of a name, `runs/flowers-3` for `flowers` and for `flowers.ftr`; nothing where none is."""
    stem = re.sub(r"\.ftr(\.json)?$", "", path.name)
    found: list[tuple[int, str]] = []
    for parent in dict.fromkeys((path.parent, Path("runs"))):
        for folder in parent.glob(f"{escape(stem)}*") if stem else ():
            number = re.fullmatch(rf"{re.escape(stem)}(?:-(\d+))?", folder.name)
            if number and is_run(folder):
                found.append((int(number[1] or 0), str(folder)))
    return max(found, default=(0, ""))[1]


def instead_of_run(path: Path) -> str:
    """Say which run is meant by a path that is none; empty where nothing is near."""
    near = newest_run(path)
    if near:
        return f"{path} is not the folder of a run: did you mean {near}?"
    if path.name.endswith((".ftr", ".ftr.json")) and path.is_file():
        return f"{path} is a recipe, and `runs` holds no run of it: `ftr run {quote(str(path))}` trains it"
    return ""
