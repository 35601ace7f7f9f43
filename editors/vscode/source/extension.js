/** The extension: one language client for all `.ftr` files, its output, and the command that restarts it. */
"use strict";

const vscode = require("vscode");
const { CloseAction, ErrorAction, LanguageClient, State } = require("vscode-languageclient/node");
const { explainStop, findFault, launch, programPath } = require("./server");

const RESTARTS = 3; // of a server that worked before it stopped

/** A client that leaves it to `complain` to show what went wrong, and that can be stopped in any state. */
class Client extends LanguageClient {
  error(message, data) {
    super.error(message, data, false);
  }

  async stop(timeout) {
    if (this.isRunning()) await super.stop(timeout); // else it throws, where nobody listens
  }
}

let client;
let output;
let turn = Promise.resolve(); // starts and stops happen one after the other

async function start() {
  const folder = vscode.workspace.workspaceFolders?.find((each) => each.uri.scheme === "file")?.uri.fsPath;
  const program = programPath(vscode.workspace.getConfiguration("ftr").get("path", "ftr"), folder);
  const fault = await findFault(program, folder);
  if (fault) complain(fault);
  else await connect(program, folder);
}

async function connect(program, folder) {
  let server;
  let attempt;
  let worked = false;
  let left = RESTARTS;
  const run = async () => {
    server = launch(program, folder);
    return server.child;
  };
  const closed = async () => {
    await attempt; // else the client forgets the attempt, and its failure with it
    if (worked && left-- > 0) return { action: CloseAction.Restart, handled: true };
    if (worked) complain("The language server of ftr keeps stopping. The command `ftr: Restart` starts it again.");
    return { action: CloseAction.DoNotRestart };
  };
  client = new Client("ftr", "ftr", run, {
    documentSelector: [{ language: "ftr" }],
    outputChannel: output,
    initializationFailedHandler: () => false,
    errorHandler: { closed, error: () => ({ action: ErrorAction.Continue }) },
  });
  client.onDidChangeState(({ newState }) => (worked ||= newState === State.Running));
  attempt = client.start().catch(() => undefined);
  await attempt;
  if (worked) return;
  server.child.kill();
  complain(explainStop(server.said()));
}

async function stop() {
  const last = client;
  client = undefined;
  await last?.stop().catch((error) => output.appendLine(String(error)));
}

async function complain(problem) {
  output.appendLine(problem);
  const [settings, show] = ["Open Settings", "Show Output"];
  const chosen = await vscode.window.showErrorMessage(problem, settings, show);
  if (chosen === settings) await vscode.commands.executeCommand("workbench.action.openSettings", "ftr.path");
  if (chosen === show) output.show();
}

function restart() {
  turn = turn.then(stop).then(start);
  return turn;
}

async function activate(context) {
  output = vscode.window.createOutputChannel("ftr");
  context.subscriptions.push(
    output,
    vscode.commands.registerCommand("ftr.restart", restart),
    vscode.commands.registerCommand("ftr.showOutput", () => output.show()),
    vscode.workspace.onDidChangeConfiguration((event) => event.affectsConfiguration("ftr.path") && restart()),
  );
  await restart();
}

module.exports = { activate, deactivate: () => turn.then(stop) };
