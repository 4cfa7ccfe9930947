"""An editor made of pygls and lsprotocol: opens a configuration and prints what the server says.

    editor.py SERVER DIRECTORY QUESTIONS

QUESTIONS is a JSON list of [what, file, argument …]; the answers are printed as a JSON list.

    ["open", file]                                 reads the file; the findings of all files
    ["change", file, text]                         the same after a change that is not saved
    ["completion" | "hover" | "definition", file, line, column]
"""

import asyncio
import json
import pathlib
import sys

from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

server, directory, questions = sys.argv[1:]
directory = pathlib.Path(directory)
TIMEOUT_SECONDS = 30


def uri(name):
    return (directory / name).as_uri()


def name(uri):
    return uri.rsplit("/", 1)[-1]


class Editor(LanguageClient):
    def __init__(self):
        super().__init__("editor", "1")
        self.told = asyncio.Queue()
        self.versions = {}

        @self.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def publish(parameters: lsp.PublishDiagnosticsParams):
            self.told.put_nowait(parameters)

    async def findings(self, file):
        """The findings of all files, once those of this one have come."""
        found = {}
        while name(file) not in found:
            told = await asyncio.wait_for(self.told.get(), TIMEOUT_SECONDS)
            found[name(told.uri)] = [
                [
                    finding.severity.name,
                    finding.range.start.line,
                    finding.range.start.character,
                    finding.range.end.character,
                    finding.message,
                ]
                for finding in told.diagnostics
            ]
        return found

    async def ask(self, what, file, *arguments):
        document = lsp.TextDocumentIdentifier(uri(file))
        if what == "open":
            text = (directory / file).read_text()
            item = lsp.TextDocumentItem(uri(file), "fluentd", 1, text)
            self.versions[file] = 1
            self.text_document_did_open(lsp.DidOpenTextDocumentParams(item))
            return await self.findings(file)
        if what == "change":
            self.versions[file] += 1
            self.text_document_did_change(
                lsp.DidChangeTextDocumentParams(
                    lsp.VersionedTextDocumentIdentifier(self.versions[file], uri(file)),
                    [lsp.TextDocumentContentChangeWholeDocument(arguments[0])],
                )
            )
            return await self.findings(file)
        position = lsp.Position(*arguments)
        if what == "completion":
            found = await self.text_document_completion_async(
                lsp.CompletionParams(document, position)
            )
            return {
                item.label: [item.detail, item.documentation.value, item.text_edit.range.start.character]
                for item in found.items
            }
        if what == "hover":
            found = await self.text_document_hover_async(lsp.HoverParams(document, position))
            return found and found.contents.value
        if what == "definition":
            found = await self.text_document_definition_async(
                lsp.DefinitionParams(document, position)
            )
            return [[name(place.uri), place.range.start.line] for place in found]
        raise ValueError(what)


async def main():
    editor = Editor()
    await editor.start_io(server, "language-server")
    started = await editor.initialize_async(
        lsp.InitializeParams(capabilities=lsp.ClientCapabilities(), root_uri=directory.as_uri())
    )
    assert started.server_info.name == "millrun"
    editor.initialized(lsp.InitializedParams())
    answers = [
        await asyncio.wait_for(editor.ask(*question), TIMEOUT_SECONDS)
        for question in json.loads(questions)
    ]
    await editor.shutdown_async(None)
    editor.exit(None)
    status = await asyncio.wait_for(editor._server.wait(), TIMEOUT_SECONDS)
    print(json.dumps([status, answers]))
    await editor.stop()


asyncio.run(main())
