"""Asking the Hugging Face hub: quiet, and what goes wrong told in a sentence.

The hub's address is that of `HF_ENDPOINT`, else https://huggingface.co; who asks, `huggingface_hub` knows.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

from httpx2 import HTTPError  # the client of huggingface_hub
from huggingface_hub.errors import (
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils.tqdm import disable_progress_bars

Failure: TypeAlias = Callable[[str, str], Exception]
"""Makes an error of a reason and a hint, which may be empty."""

LOGIN: Final = "log in with `hf auth login`, or set HF_TOKEN to a token that may do this"


@contextmanager
def asking(failed: Failure, file: str, absent: str = "") -> Iterator[None]:
    """Turn what goes wrong between here and the hub into the user's error; `absent` hints at a missing file's cause."""
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # each of its tries is a warning
    if not sys.stderr.isatty():
        disable_progress_bars()
    try:
        yield
    except RepositoryNotFoundError as error:
        raise failed("there is no such repository, or you have no access", LOGIN) from error
    except RevisionNotFoundError as error:
        raise failed("it has no such revision", "") from error
    except RemoteEntryNotFoundError as error:
        raise failed(f"it has no `{file}`", absent) from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        raise failed(first_line(error), LOGIN if status in (401, 403) else "") from error
    except (HTTPError, OSError, ValueError) as error:
        raise failed(first_line(error), "is there a network? HF_ENDPOINT names another hub") from error


def first_line(error: BaseException) -> str:
    """Return what an error says first."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
