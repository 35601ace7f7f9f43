"""`ftr lsp` as editors meet it: a client of another make, over standard input and output."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from editor import Editor
from lsprotocol import types

from runtime.system.installation import install_command

FINE = 'ftr 1\n\ndata {\n  train = digits\n}\n\nstage "a" {\n  train = head\n  for   = 3 epochs\n}\n'
BROKEN = """\
ftr 1
data {
  train = digits
}
stage "😀é" { # 😀
  train = [head, base.blok]
  for = 3 epochs
  optimizer = ad
}
"""


@pytest.fixture(scope="module")
def editor() -> Iterator[Editor]:
    running = Editor()
    yield running
    assert running.quit() == 0


def codes(found: list[types.Diagnostic]) -> list[Any]:
    return [each.code for each in found]


def text_of(text: str, place: types.Range) -> str:
    """Return the text of a range whose columns count UTF-16, on one line."""
    assert place.start.line == place.end.line
    line = text.splitlines()[place.start.line].encode("utf-16-le")
    return line[2 * place.start.character : 2 * place.end.character].decode("utf-16-le")


def test_what_is_wrong_shows_while_it_is_typed_and_goes_when_it_is_right(editor: Editor, tmp_path: Path) -> None:
    uri = editor.open(tmp_path / "x.ftr", FINE)
    assert editor.problems(uri) == []
    editor.type(uri, FINE.replace("head", "hea"))
    (found,) = editor.problems(uri)
    assert (found.code, found.severity, found.source) == ("E204", types.DiagnosticSeverity.Error, "ftr")
    assert "did you mean `head`?" in found.message
    assert text_of(FINE, found.range) == "hea"
    editor.type(uri, FINE)
    assert editor.problems(uri) == []


def test_advice_is_a_warning_and_a_second_place_is_related(editor: Editor, tmp_path: Path) -> None:
    uri = editor.open(tmp_path / "x.ftr", FINE.replace("\ndata", "param lr = 1\n\ndata"))
    (advice,) = editor.problems(uri)
    assert (advice.code, advice.severity) == ("W701", types.DiagnosticSeverity.Warning)
    editor.type(uri, FINE.replace("\ndata", "seed = 1\nseed = 2\n\ndata"))
    (found,) = editor.problems(uri)
    assert found.code == "E401"
    assert found.related_information is not None
    assert [each.location.range.start.line for each in found.related_information] == [1]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_columns_count_utf_16_units_whatever_ends_a_line(editor: Editor, tmp_path: Path, newline: str) -> None:
    text = BROKEN.replace("\n", newline)
    uri = editor.open(tmp_path / "x.ftr", text)
    assert [text_of(text, each.range) for each in editor.problems(uri)] == ["base.blok", "ad"]
    uri = editor.open(tmp_path / "y.ftr", f'ftr 1{newline}name = "😀e\u0301" x{newline}')
    places = [each.range for each in editor.problems(uri) if each.code == "E101"]
    assert [(each.start.character, each.end.character) for each in places] == [(14, 15)]


def test_a_client_that_counts_bytes_is_told_and_answered_in_bytes(tmp_path: Path) -> None:
    editor = Editor(encodings=["utf-8", "utf-16"], snippets=False)
    assert editor.server.capabilities.position_encoding == "utf-8"
    uri = editor.open(tmp_path / "x.ftr", 'ftr 1\nname = "😀é" x\n')
    assert (16, 17) in [(p.range.start.character, p.range.end.character) for p in editor.problems(uri)]
    uri = editor.open(tmp_path / "y.ftr", FINE.replace("  for", "  optimizer = ad\n  for"))
    params = types.CompletionParams(**editor.at(uri, 8, 16))
    items = editor.run(editor.client.text_document_completion_async(params))
    adam = next(item for item in items if item.label == "adam")
    assert (adam.insert_text_format, adam.text_edit.new_text) == (types.InsertTextFormat.PlainText, "adam()")
    assert editor.quit() == 0


def test_completion_writes_at_the_place(editor: Editor, tmp_path: Path) -> None:
    text = FINE.replace("  for ", '  optimizer = ad\n  lr_scale = { matching("😀") = 0.1, ba\n  for ')
    uri = editor.open(tmp_path / "x.ftr", text)
    params = types.CompletionParams(**editor.at(uri, 8, 16))
    items = editor.run(editor.client.text_document_completion_async(params))
    assert [item.label for item in items][:2] == ["sgd", "nag"]
    assert [item.sort_text for item in items] == sorted(item.sort_text for item in items)
    adam = next(item for item in items if item.label == "adam")
    assert adam.text_edit.new_text == "adam($0)"
    assert text_of(text, adam.text_edit.range) == "ad"
    assert "`beta1 = 0.9`" in adam.documentation.value
    params = types.CompletionParams(**editor.at(uri, 9, len(text.splitlines()[9]) + 1))  # the emoji counts twice
    items = editor.run(editor.client.text_document_completion_async(params))
    part = next(item for item in items if item.label == "base.block7")
    assert text_of(text, part.text_edit.range) == "ba"


def test_hover_definition_outline_and_layout(editor: Editor, tmp_path: Path) -> None:
    # a space and letters beyond ASCII in the name: the editor's spelling of the URI is kept
    text = FINE.replace("\ndata", "param n = 3 epochs in 1 epoch .. 9 epochs\n\ndata").replace(
        "= 3 epochs\n}", "=  $n\n}"
    )
    uri = editor.open(tmp_path / "é x.ftr", text)
    client = editor.client
    line = text.splitlines().index("  for   =  $n")
    shown = editor.run(client.text_document_hover_async(types.HoverParams(**editor.at(uri, line, 12))))
    assert "1 epoch .. 9 epochs" in shown.contents.value
    assert text_of(text, shown.range) == "$n"
    place = editor.run(client.text_document_definition_async(types.DefinitionParams(**editor.at(uri, line, 12))))
    assert (place.uri, text_of(text, place.range)) == (uri, "n")
    document = types.TextDocumentIdentifier(uri)
    symbols = editor.run(client.text_document_document_symbol_async(types.DocumentSymbolParams(document)))
    assert [(each.name, [inner.name for inner in each.children]) for each in symbols] == [
        ("n", []),
        ("data", ["train"]),
        ("a", ["train", "for"]),
    ]
    options = types.FormattingOptions(tab_size=2, insert_spaces=True)
    (edit,) = editor.run(client.text_document_formatting_async(types.DocumentFormattingParams(document, options)))
    assert edit.new_text == "  for   = $n\n"
    assert (edit.range.start.line, edit.range.end.line) == (line, line + 1)
    editor.type(uri, "ftr 1\nseed = \n")
    assert not editor.run(client.text_document_formatting_async(types.DocumentFormattingParams(document, options)))


def test_parents_are_read_and_a_saved_one_is_read_again(editor: Editor, tmp_path: Path) -> None:
    (tmp_path / "base.ftr").write_text(FINE.replace("3 epochs", "3"))
    child = 'ftr 1\nextends "base.ftr"\nseed = 7\n'
    uri = editor.open(tmp_path / "x.ftr", child)
    (found,) = editor.problems(uri)
    assert text_of(child, found.range) == '"base.ftr"'
    (place,) = found.related_information or ()
    assert (place.location.uri, place.location.range.start.line) == ((tmp_path / "base.ftr").as_uri(), 8)
    (tmp_path / "base.ftr").write_text(FINE)
    editor.diagnostics.pop(uri)
    saved = types.TextDocumentIdentifier((tmp_path / "base.ftr").as_uri())
    editor.client.text_document_did_save(types.DidSaveTextDocumentParams(saved))
    assert editor.problems(uri) == []


def test_the_json_form_has_diagnostics_too(editor: Editor, tmp_path: Path) -> None:
    text = '{"ftr": 1, "data": {"train": {"name": "digits"}}, "sede": 7}'
    uri = editor.open(tmp_path / "x.ftr.json", text)
    found = {each.code: text_of(text, each.range) for each in editor.problems(uri)}
    assert "sede" in found["E201"]
    hovered = editor.run(editor.client.text_document_hover_async(types.HoverParams(**editor.at(uri, 0, 3))))
    assert hovered is None


def test_a_closed_text_has_no_diagnostics(editor: Editor, tmp_path: Path) -> None:
    uri = editor.open(tmp_path / "x.ftr", "ftr 2\n")
    assert editor.problems(uri)
    editor.diagnostics.pop(uri)
    editor.client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri)))
    editor.version = None  # what is published for a closed text has no version
    assert editor.problems(uri) == []
    editor.version = 1000


def test_many_keystrokes_at_once_end_with_the_last_text(editor: Editor, tmp_path: Path) -> None:
    uri = editor.open(tmp_path / "x.ftr", "")
    for end in range(len(FINE) + 1):
        editor.type(uri, FINE[:end])
    assert editor.problems(uri) == []


def test_without_the_library_the_command_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "pygls.py").write_text("raise ModuleNotFoundError('no pygls', name='pygls')\n")
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH", ""))))
    command = [sys.executable, "-m", "runtime", "lsp"]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert f"the language server needs pygls: {install_command('lsp')}" in done.stderr


def test_the_server_ends_when_its_editor_is_gone() -> None:
    command = [sys.executable, "-m", "runtime", "lsp", "--stdio"]
    done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=180)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_quick_fix_changes_what_its_diagnostic_points_at(editor: Editor, tmp_path: Path) -> None:
    text = FINE.replace("  for", '  optimizer = adma  # "😀"\n  for')
    uri = editor.open(tmp_path / "x.ftr", text)
    (found,) = editor.problems(uri)
    context = types.CodeActionContext(diagnostics=[found])
    params = types.CodeActionParams(types.TextDocumentIdentifier(uri), found.range, context)
    (action,) = editor.run(editor.client.text_document_code_action_async(params))
    assert action.title == "replace `adma` with `adam`"
    ((changed, (edit,)),) = action.edit.changes.items()
    assert (changed, text_of(text, edit.range), edit.new_text) == (uri, "adma", "adam")
    assert [each.code for each in action.diagnostics] == ["E203"]
    elsewhere = types.Range(types.Position(0, 0), types.Position(0, 1))
    params = types.CodeActionParams(types.TextDocumentIdentifier(uri), elsewhere, context)
    assert not editor.run(editor.client.text_document_code_action_async(params))


def test_an_interrupt_ends_it_at_once_and_a_terminal_is_told_what_it_waits_for() -> None:
    shown, terminal = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "runtime", "lsp"], stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    said = process.stderr.readline().decode()
    time.sleep(0.5)  # until it reads
    process.send_signal(signal.SIGINT)
    assert process.wait(3) == 130
    assert "serves editors" in said
    out, rest = process.communicate()
    assert (out, rest) == (b"", b"")
    os.close(shown)
    os.close(terminal)
