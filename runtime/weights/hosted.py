"""The weights that the zoos host themselves: silent while they load, one plain error when they cannot.

In goes a zoo's name for a network; the zoo's own code does the download and keeps its cache.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recipe_lang.problem import RecipeError
from runtime.backend.mx import gluoncv, mx
from runtime.weights.problems import NoHostedWeights
from runtime.weights.zoo_cache import zoo_cache


@contextlib.contextmanager
def hosted_weights(zoo: str, name: str) -> Iterator[None]:
    """Run a zoo's `get_model(name, pretrained=True)` inside, without its output and long waits.

    Raises:
        RecipeError: the zoo hosts no weights under this name, or they could not be downloaded.
    """
    if name not in _hosted(zoo):
        raise RecipeError(NoHostedWeights(zoo=zoo, name=name, reason="the zoo hosts none"))
    silence = io.StringIO()
    try:
        with (
            _one_short_try(),
            _root_logger_kept(),
            contextlib.redirect_stdout(silence),
            contextlib.redirect_stderr(silence),
        ):
            yield
    except (OSError, RuntimeError, ValueError, zipfile.BadZipFile) as error:
        reason = f"the zoo's hosted file could not be downloaded ({_first_line(error)})"
        raise RecipeError(NoHostedWeights(zoo=zoo, name=name, reason=reason)) from error


def hosted_file(zoo: str, name: str) -> Path:
    """Return where a zoo keeps its hosted weights of a network, whether they are there or not."""
    return zoo_cache() / f"{name}-{_store(zoo).short_hash(name)}.params"


def check_hosted(zoo: str, name: str) -> None:
    """Refuse weights that are neither in the zoo's cache nor with its host, which is asked, but gives nothing yet.

    Raises:
        RecipeError: they cannot be had.
    """
    if name not in _hosted(zoo):
        raise RecipeError(NoHostedWeights(zoo=zoo, name=name, reason="the zoo hosts none"))
    store, path = _store(zoo), hosted_file(zoo, name)
    if path.is_file() and mx.gluon.utils.check_sha1(str(path), store._model_sha1[name]):
        return
    import requests

    host = os.environ.get("MXNET_GLUON_REPO", store.apache_repo_url).rstrip("/")
    url = store._url_format.format(repo_url=f"{host}/", file_name=path.stem)
    try:
        answer = requests.head(url, timeout=5, allow_redirects=True)
        said = "" if answer.ok or answer.status_code == _NO_HEAD else f"says {answer.status_code} {answer.reason}"
    except OSError:  # of requests too
        said = "cannot be reached"
    if said:
        reason = f"{path} is {'damaged' if path.is_file() else 'not there'}, and {host} {said}"
        raise RecipeError(NoHostedWeights(zoo=zoo, name=name, reason=reason))


_NO_HEAD = 405  # a host that answers to GET only


def _store(zoo: str) -> Any:
    return (gluoncv() if zoo == "gluoncv" else mx.gluon).model_zoo.model_store


def _hosted(zoo: str) -> frozenset[str]:
    return frozenset(_store(zoo)._model_sha1)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]


@contextlib.contextmanager
def _root_logger_kept() -> Iterator[None]:
    """Undo what the zoos' `logging.info` does: it gives the root logger a handler, here a mute one."""
    handlers = logging.root.handlers[:]
    try:
        yield
    finally:
        logging.root.handlers[:] = handlers


@contextlib.contextmanager
def _one_short_try() -> Iterator[None]:
    """Give each download of the zoos 10 seconds to answer, and make a second try fail at once.

    The zoos wait for ever, and MXNet tries five times.
    """
    import requests

    mx.gluon.utils.requests = requests
    patient = requests.get
    failed: list[Exception] = []

    def get(url: str, **options: Any) -> Any:
        if failed:
            raise failed[0]
        try:
            answer = patient(url, **options, timeout=10)
            answer.raise_for_status()
        except Exception as error:
            failed.append(error)
            raise
        return answer

    requests.get = get  # type: ignore[assignment]
    try:
        yield
    finally:
        requests.get = patient
