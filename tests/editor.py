"""An editor for the tests: pygls's own client, spoken to in plain calls, with `ftr lsp` as a process of its own."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.lsp.client import LanguageClient

SECONDS = 30.0  # to wait for an answer on a busy machine


class Editor:
    """Opens texts, types and asks; `diagnostics` holds what was last published, by URI."""

    def __init__(self, encodings: list[str] | None = None, snippets: bool = True) -> None:
        self.loop = asyncio.new_event_loop()
        self.client = LanguageClient("test", "1")
        self.diagnostics: dict[str, types.PublishDiagnosticsParams] = {}
        self.published = asyncio.Event()
        self.version = 0
        self.client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(lambda params: self._keep(params))
        self.run(self.client.start_io(sys.executable, "-m", "runtime", "lsp"))
        item = types.ClientCompletionItemOptions(snippet_support=snippets)
        text = types.TextDocumentClientCapabilities(completion=types.CompletionClientCapabilities(completion_item=item))
        general = types.GeneralClientCapabilities(position_encodings=encodings)
        capabilities = types.ClientCapabilities(general=general, text_document=text)
        self.server = self.run(
            self.client.initialize_async(types.InitializeParams(capabilities=capabilities, process_id=None))
        )
        self.client.initialized(types.InitializedParams())

    def _keep(self, params: types.PublishDiagnosticsParams) -> None:
        self.diagnostics[params.uri] = params
        self.published.set()

    def run(self, awaitable: Any) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(awaitable, SECONDS))

    def open(self, path: Path, text: str) -> str:
        """Open a text and return its URI; the file need not exist."""
        uri = path.as_uri()
        self.version += 1
        item = types.TextDocumentItem(uri, "ftr", self.version, text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return uri

    def type(self, uri: str, text: str) -> None:
        """Replace a text."""
        self.version += 1
        document = types.VersionedTextDocumentIdentifier(uri=uri, version=self.version)
        change = types.TextDocumentContentChangeWholeDocument(text)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))

    def problems(self, uri: str) -> list[types.Diagnostic]:
        """Return the diagnostics of the text as it is now."""
        return list(self.run(self._current(uri)).diagnostics)

    async def _current(self, uri: str) -> types.PublishDiagnosticsParams:
        while uri not in self.diagnostics or self.diagnostics[uri].version != self.version:
            self.published.clear()
            await self.published.wait()
        return self.diagnostics[uri]

    def at(self, uri: str, line: int, column: int) -> dict[str, Any]:
        return {"text_document": types.TextDocumentIdentifier(uri), "position": types.Position(line, column)}

    def quit(self) -> int | None:
        """End the server as an editor does; return its exit code."""
        self.run(self.client.shutdown_async(None))
        self.client.exit(None)
        process = self.client._server
        self.run(self.client.stop())
        self.loop.close()
        return None if process is None else process.returncode
