"""The language server: pygls's messages on one side, the answers of this package on the other. `serve()` runs it.

Each message about a text is answered from a `Reading` of the text as it is now, made once.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import from_fs_path, to_fs_path

from recipe_lang.problem import Edit
from recipe_lang.source import Span
from runtime.lsp import actions, navigation, positions
from runtime.lsp.completion import Suggestion, complete
from runtime.lsp.hover import hover
from runtime.lsp.reading import Finding, Reading, findings, read
from runtime.system.installation import own_version

_NOTICEABLE = 0.1  # seconds; a check that takes longer waits for the end of what is typed

_KINDS = {
    "field": types.CompletionItemKind.Field,
    "block": types.CompletionItemKind.Class,
    "argument": types.CompletionItemKind.Property,
    "call": types.CompletionItemKind.Function,
    "word": types.CompletionItemKind.EnumMember,
    "param": types.CompletionItemKind.Variable,
    "metric": types.CompletionItemKind.Value,
    "part": types.CompletionItemKind.Module,
    "unit": types.CompletionItemKind.Unit,
    "operator": types.CompletionItemKind.Operator,
    "keyword": types.CompletionItemKind.Keyword,
    "name": types.CompletionItemKind.Constant,
    "file": types.CompletionItemKind.File,
    "folder": types.CompletionItemKind.Folder,
}
_SYMBOLS = {
    "block": types.SymbolKind.Class,
    "param": types.SymbolKind.Variable,
    "field": types.SymbolKind.Field,
}
_TRIGGERS = ["$", '"', ".", "=", "(", "[", "{", ",", "/", " "]


@dataclass(slots=True)
class Workspace:
    """The texts that are open in the editor: their readings by URI, and the checks that are still to come."""

    server: LanguageServer
    readings: dict[str, Reading] = field(default_factory=dict)
    waiting: dict[str, asyncio.TimerHandle] = field(default_factory=dict)
    seconds: float = 0.0  # that the last check took

    @property
    def encoding(self) -> str:
        """The encoding whose units the editor counts columns in."""
        return types.PositionEncodingKind(self.server.workspace.position_encoding or "utf-16").value

    @property
    def snippets(self) -> bool:
        """Whether the editor can place its cursor inside of what a completion writes."""
        found = self.server.client_capabilities.text_document
        item = found.completion.completion_item if found and found.completion else None
        return bool(item and item.snippet_support)

    def reading(self, uri: str) -> Reading:
        """Return the reading of a text as it is now."""
        document = self.server.workspace.get_text_document(uri)
        source = positions.editor_source(to_fs_path(uri) or document.path, document.source)
        known = self.readings.get(uri)
        if known is None or known.source.text != source.text:
            known = read(source)
            if document.version is not None:  # it is open, not read from the disk for this question
                self.readings[uri] = known
        return known

    def publish_soon(self, uri: str) -> None:
        """Check a text and publish what is wrong, once for all that is typed while a long check would take."""
        self.forget(uri)
        pause = self.seconds if self.seconds > _NOTICEABLE else 0.0
        self.waiting[uri] = asyncio.get_running_loop().call_later(pause, self.publish, uri)

    def forget(self, uri: str) -> None:
        """Drop a check that is still to come."""
        handle = self.waiting.pop(uri, None)
        if handle is not None:
            handle.cancel()

    def publish(self, uri: str) -> None:
        """Check a text and publish what is wrong with it."""
        start = time.perf_counter()
        try:
            reading = self.reading(uri)
        except Exception as error:
            # No one waits for this answer: without a message the bug would only show as silence.
            text = f"a bug in ftr, not in your recipe: {error!r}"
            self.server.window_show_message(types.ShowMessageParams(types.MessageType.Error, text))
            raise
        self.seconds = time.perf_counter() - start
        number = self.server.workspace.get_text_document(uri).version
        found = [self.diagnostic(each) for each in findings(reading)]
        self.server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, found, number))

    def close(self, uri: str) -> None:
        """Forget a text that was closed, and take its diagnostics away."""
        self.forget(uri)
        self.readings.pop(uri, None)
        self.server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))

    def read_again(self) -> None:
        """Check all texts once more, as a file that they build on may have changed."""
        open_ones, self.readings = list(self.readings), {}
        for uri in open_ones:
            self.publish_soon(uri)

    # --- our places and answers as the protocol's ---------------------------------------------

    def offset(self, reading: Reading, place: types.Position) -> int:
        """Return the character offset of an editor's place."""
        return positions.offset(reading.source, place.line, place.character, self.encoding)

    def range(self, span: Span) -> types.Range:
        """Return a span as the editor counts."""
        ends = (positions.position(span.source, offset, self.encoding) for offset in (span.start, span.end))
        start, end = (types.Position(*each) for each in ends)
        return types.Range(start, end)

    def location(self, span: Span) -> types.Location:
        """Return a span with the URI of its file."""
        return types.Location(self.uri(span), self.range(span))

    def uri(self, span: Span) -> str:
        """Return the URI of a span's file: the editor's own where it is open, which may be spelled differently."""
        name = span.source.name
        own = (uri for uri, reading in self.readings.items() if reading.source.name == name)
        return next(own, None) or from_fs_path(os.path.abspath(name)) or name

    def diagnostic(self, finding: Finding) -> types.Diagnostic:
        """Return a finding as the editor shows it."""
        problem = finding.problem
        return types.Diagnostic(
            range=self.range(finding.span),
            message=finding.message,
            severity=types.DiagnosticSeverity.Error if problem.is_error else types.DiagnosticSeverity.Warning,
            code=problem.code,
            source="ftr",
            related_information=[
                types.DiagnosticRelatedInformation(self.location(span), label) for span, label in finding.others
            ],
        )

    def item(self, suggestion: Suggestion, rank: int, reading: Reading, offset: int) -> types.CompletionItem:
        """Return a suggestion as the editor lists it; `rank` keeps our order."""
        text, form = suggestion.text + suggestion.tail, types.InsertTextFormat.PlainText
        if suggestion.tail and self.snippets:
            text, form = f"{_escaped(suggestion.text)}$0{_escaped(suggestion.tail)}", types.InsertTextFormat.Snippet
        return types.CompletionItem(
            label=suggestion.label,
            kind=_KINDS[suggestion.kind],
            detail=suggestion.detail or None,
            documentation=_markdown(suggestion.doc) if suggestion.doc else None,
            sort_text=f"{rank:04}",
            insert_text_format=form,
            text_edit=types.TextEdit(self.range(reading.source.span(suggestion.start, offset)), text),
        )

    def symbol(self, entry: navigation.Entry) -> types.DocumentSymbol:
        """Return a line of the outline."""
        return types.DocumentSymbol(
            name=entry.name,
            detail=entry.detail,
            kind=_SYMBOLS[entry.kind],
            range=self.range(entry.whole),
            selection_range=self.range(entry.name_span),
            children=[self.symbol(each) for each in entry.inner],
        )

    def change(self, edits: Iterable[Edit]) -> types.WorkspaceEdit:
        """Return changes of texts, by file."""
        changes: dict[str, list[types.TextEdit]] = {}
        for edit in edits:
            changes.setdefault(self.uri(edit.span), []).append(types.TextEdit(self.range(edit.span), edit.text))
        return types.WorkspaceEdit(changes=changes)


def _escaped(text: str) -> str:
    return re.sub(r"([$}\\])", r"\\\1", text)


def _markdown(text: str) -> types.MarkupContent:
    return types.MarkupContent(types.MarkupKind.Markdown, text)


def make_server() -> LanguageServer:
    """Return a server that answers for recipes; it does not run yet."""
    server = LanguageServer("ftr", own_version(), text_document_sync_kind=types.TextDocumentSyncKind.Full)
    desk = Workspace(server)
    _follow_texts(server, desk)
    _answer(server, desk)
    return server


def _follow_texts(server: LanguageServer, desk: Workspace) -> None:
    """Register what happens when texts are opened, changed, saved and closed."""

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: types.DidOpenTextDocumentParams) -> None:
        desk.publish_soon(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(params: types.DidChangeTextDocumentParams) -> None:
        desk.publish_soon(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def saved(_: types.DidSaveTextDocumentParams) -> None:
        desk.read_again()

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def changed_outside(_: types.DidChangeWatchedFilesParams) -> None:
        desk.read_again()

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: types.DidCloseTextDocumentParams) -> None:
        desk.close(params.text_document.uri)


def _answer(server: LanguageServer, desk: Workspace) -> None:
    """Register the answers to an editor's questions."""

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=_TRIGGERS))
    def completed(params: types.CompletionParams) -> list[types.CompletionItem]:
        reading = desk.reading(params.text_document.uri)
        offset = desk.offset(reading, params.position)
        blank = params.context is not None and params.context.trigger_character == " "
        found = complete(reading, offset, after_blank=blank)
        return [desk.item(each, rank, reading, offset) for rank, each in enumerate(found)]

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def hovered(params: types.HoverParams) -> types.Hover | None:
        reading = desk.reading(params.text_document.uri)
        found = hover(reading, desk.offset(reading, params.position))
        return None if found is None else types.Hover(_markdown(found.text), desk.range(found.span))

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    def defined(params: types.DefinitionParams) -> types.Location | None:
        reading = desk.reading(params.text_document.uri)
        found = navigation.definition(reading, desk.offset(reading, params.position))
        return None if found is None else desk.location(found)

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def outlined(params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
        return [desk.symbol(each) for each in navigation.outline(desk.reading(params.text_document.uri).recipe)]

    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    def formatted(params: types.DocumentFormattingParams) -> list[types.TextEdit]:
        edit = actions.layout(desk.reading(params.text_document.uri).source)
        return [] if edit is None else [types.TextEdit(desk.range(edit.span), edit.text)]

    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix])
    )
    def repaired(params: types.CodeActionParams) -> list[types.CodeAction]:
        reading = desk.reading(params.text_document.uri)
        start, end = (desk.offset(reading, place) for place in (params.range.start, params.range.end))
        return [
            types.CodeAction(
                title=each.title,
                kind=types.CodeActionKind.QuickFix,
                diagnostics=[desk.diagnostic(each.finding)],
                edit=desk.change(each.edits),
                is_preferred=True,
            )
            for each in actions.quick_fixes(reading, start, end)
        ]


def serve() -> None:
    """Answer on standard input and output until the editor says `exit` or is gone; an interrupt ends it at once."""
    # pygls would wait for the thread that reads, which only the next message wakes.
    signal.signal(signal.SIGINT, lambda *_: os._exit(128 + signal.SIGINT))
    if sys.stdin.isatty():
        print("ftr lsp serves editors and waits for one here; Ctrl-C ends it.", file=sys.stderr)
    # The protocol has the real standard output to itself: whatever else prints goes to standard error.
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)
        make_server().start_io(sys.stdin.buffer, out)
