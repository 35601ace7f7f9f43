"""What to type to add an extra, for each way in which ftr can be installed."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest
from paths import ROOT

from runtime.system import installation
from runtime.system.installation import install_command


class Installed:
    def __init__(self, url: str | None) -> None:
        self.url = url

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return self.url and json.dumps({"url": self.url, "dir_info": {}})


def test_in_the_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    assert install_command("solar") == 'pip install -c constraints.txt -e ".[solar]"'
    assert install_command() == 'pip install -c constraints.txt -e "."'
    monkeypatch.chdir(tmp_path)
    assert install_command("lsp") == f'pip install -c "{ROOT}/constraints.txt" -e "{ROOT}[lsp]"'


@pytest.mark.parametrize("url", ["checkout", "gone", "https://example.org/ftr_recipes-1-py3-none-any.whl", None])
def test_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str | None) -> None:
    (tmp_path / "a checkout").mkdir()
    (tmp_path / "a checkout" / "constraints.txt").touch()
    named = {"checkout": (tmp_path / "a checkout").as_uri(), "gone": (tmp_path / "gone").as_uri()}
    monkeypatch.setattr(installation, "_SOURCE", tmp_path)
    monkeypatch.setattr(metadata, "distributions", lambda name: [Installed(named.get(url, url) if url else url)])
    folder = tmp_path / "a checkout"
    expected = f'-c "{folder}/constraints.txt" "{folder}[hub]"' if url == "checkout" else '"ftr-recipes[hub]"'
    assert install_command("hub") == f"pip install {expected}"
