/** Starts and stops the real client against small programs that stand for `ftr`; only VS Code itself is replaced. */
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const Module = require("node:module");
const os = require("node:os");
const path = require("node:path");
const { after, beforeEach, test } = require("node:test");

const room = fs.mkdtempSync(path.join(os.tmpdir(), "ftr-client-"));
after(() => fs.rmSync(room, { recursive: true }));

const seen = { messages: [], commands: {}, output: [], settings: {} };

/** Stands for any class, function, event or constant of VS Code that a test does not care about. */
const anything = () =>
  new Proxy(class {}, {
    get: (target, name) => (name in target || typeof name === "symbol" ? target[name] : (target[name] = anything())),
    apply: () => ({ dispose() {} }),
  });

const channel = { append: (text) => seen.output.push(text), appendLine: (text) => seen.output.push(text) };
const quiet = () => ({ dispose() {} });
const some = (known) =>
  new Proxy(known, { get: (target, name) => (name in target ? target[name] : /^(on|register)[A-Z]/.test(name) ? quiet : undefined) });

const vscode = {
  window: some({
    createOutputChannel: () => ({ ...channel, show() {}, dispose() {} }),
    showErrorMessage: async (message) => void seen.messages.push(message),
    visibleTextEditors: [],
    tabGroups: some({ all: [] }),
  }),
  workspace: some({
    workspaceFolders: [{ uri: { scheme: "file", fsPath: room, toString: () => `file://${room}` }, name: "room" }],
    textDocuments: [],
    notebookDocuments: [],
    getConfiguration: () => ({ get: (name, fallback) => seen.settings[name] ?? fallback }),
  }),
  commands: { registerCommand: (name, run) => ((seen.commands[name] = run), { dispose() {} }) },
  languages: some({ createDiagnosticCollection: () => ({ clear() {}, dispose() {}, set() {} }), match: () => 0 }),
  env: { appName: "test", language: "en" },
  version: "1.82.0",
  EventEmitter: class {
    listeners = [];
    event = (listener) => (this.listeners.push(listener), { dispose() {} });
    fire(value) {
      this.listeners.forEach((listener) => listener(value));
    }
    dispose() {}
  },
  Disposable: class {
    constructor(dispose) {
      this.dispose = dispose;
    }
  },
};
const fake = new Proxy(vscode, {
  get: (target, name) => (name in target || typeof name === "symbol" ? target[name] : (target[name] = anything())),
});

const load = Module._load;
Module._load = (name, ...rest) => (name === "vscode" ? fake : load(name, ...rest));
const { activate, deactivate } = require("../source/extension.js");

/** Writes a program that does `body` when it is called as `NAME lsp`, and returns its path. */
function program(name, body, help = "process.exit(0)") {
  const file = path.join(room, name);
  const text = `if (process.argv[2] !== "lsp" || process.argv[3] === "--help") { ${help} }\n${body}\n`;
  fs.writeFileSync(file, `#!${process.execPath}\n${text}`, { mode: 0o755 });
  return file;
}

/** A server that answers each request with an empty result, and notes in a file that it was asked. */
const SERVER = `
  let rest = "";
  process.stdin.on("data", (data) => {
    rest += data;
    for (;;) {
      const head = /^Content-Length: (\\d+)[^]*?\\r\\n\\r\\n/.exec(rest);
      if (!head || rest.length < head[0].length + Number(head[1])) return;
      const message = JSON.parse(rest.slice(head[0].length, head[0].length + Number(head[1])));
      rest = rest.slice(head[0].length + Number(head[1]));
      require("node:fs").appendFileSync(process.argv[1] + ".log", message.method + "\\n");
      if (message.method === "exit") process.exit(0);
      if (message.id === undefined) continue;
      const result = message.method === "initialize" ? { capabilities: {} } : null;
      const answer = JSON.stringify({ jsonrpc: "2.0", id: message.id, result });
      process.stdout.write("Content-Length: " + answer.length + "\\r\\n\\r\\n" + answer);
    }
  });`;

/** Waits until the server was asked `count` things, and returns them all. */
async function asked(file, count) {
  for (;;) {
    const methods = fs.existsSync(`${file}.log`) ? fs.readFileSync(`${file}.log`, "utf8").trim().split("\n") : [];
    if (methods.length >= count) return methods;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

beforeEach(() => Object.assign(seen, { messages: [], commands: {}, output: [], settings: {} }));

const LONG = { timeout: 20000 };

test("the server starts, restarts on command and ends with the extension", LONG, async () => {
  const file = program("good", SERVER);
  seen.settings.path = "./good"; // relative to the workspace
  await activate({ subscriptions: [] });
  await seen.commands["ftr.restart"]();
  await deactivate();
  assert.deepEqual(seen.messages, []);
  const session = ["initialize", "initialized", "shutdown", "exit"];
  assert.deepEqual(await asked(file, 8), [...session, ...session]);
});

test("a program that is not there is named, and with it the setting", LONG, async () => {
  seen.settings.path = "no-such-ftr";
  await activate({ subscriptions: [] });
  assert.match(seen.messages.join("\n"), /^The program `no-such-ftr` cannot be run.*`ftr\.path`/);
});

test("an ftr without a language server is told from one that is missing", LONG, async () => {
  seen.settings.path = program("old", "", 'console.error("Error: No such command \'lsp\'."); process.exit(2)');
  await activate({ subscriptions: [] });
  assert.equal(seen.messages.length, 1);
  assert.match(seen.messages[0], /old lsp` does not work.*No such command 'lsp'/);
});

test("what a server says before it stops is in the message, once", LONG, async () => {
  seen.settings.path = program("bare", 'console.error("the server needs pygls"); process.exit(2)');
  await activate({ subscriptions: [] });
  assert.deepEqual(seen.messages, ["The language server of ftr did not start: the server needs pygls"]);
});

test("a server that stops while it works is started again, three times at most", LONG, async () => {
  const file = program("weak", `${SERVER}\n setTimeout(() => process.exit(1), 300);`);
  seen.settings.path = file;
  await activate({ subscriptions: [] });
  while (seen.messages.length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(await asked(file, 8), Array(4).fill(["initialize", "initialized"]).flat());
  assert.match(seen.messages.join("\n"), /^The language server of ftr keeps stopping.*$/);
});

test("after a failure the command starts the server that is there by then", LONG, async () => {
  seen.settings.path = "./late";
  await activate({ subscriptions: [] });
  const file = program("late", SERVER);
  await seen.commands["ftr.restart"]();
  await deactivate();
  assert.equal(seen.messages.length, 1);
  assert.equal((await asked(file, 4))[0], "initialize");
});
