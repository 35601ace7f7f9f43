/**
 * Finds and starts the language server, and says in a sentence why it does not start.
 * In: the setting `ftr.path` and a folder. Out: a child process that speaks LSP over stdio. Nothing here needs VS Code.
 */
"use strict";

const { execFile, spawn } = require("node:child_process");
const path = require("node:path");

const ARGUMENTS = ["lsp"];
const TAIL = 2000; // characters of standard error that are kept for the message

/** The program to run: a bare name is left to the PATH, a relative path starts from `folder`. */
function programPath(setting, folder) {
  return /[\\/]/.test(setting) && folder ? path.resolve(folder, setting) : setting;
}

/** Resolves to what is wrong with the program, or to undefined when it has a language server. */
function findFault(program, folder) {
  return new Promise((resolve) => {
    execFile(program, [...ARGUMENTS, "--help"], { cwd: folder, timeout: 30000 }, (error) => {
      if (!error) resolve(undefined);
      else if (error.code === "ENOENT" || error.code === "EACCES")
        resolve(`The program \`${program}\` cannot be run. Install ftr, or set \`ftr.path\` to where it is.`);
      else resolve(`\`${program} lsp\` does not work: is this ftr too old, or another program? (${lastLine(error.message)})`);
    });
  });
}

/** Starts the server. `said()` is the end of what it wrote on standard error. */
function launch(program, folder) {
  const child = spawn(program, ARGUMENTS, { cwd: folder, stdio: "pipe" });
  let tail = "";
  child.stderr.on("data", (data) => (tail = (tail + data).slice(-TAIL)));
  child.on("error", (error) => (tail = error.message)); // without a listener it would end the extension host
  return { child, said: () => tail };
}

/** The sentence for a server that stopped before it answered; `said` is its standard error. */
function explainStop(said) {
  const reason = lastLine(said);
  return reason ? `The language server of ftr did not start: ${reason}` : "The language server of ftr did not start.";
}

function lastLine(text) {
  return text.trim().split(/\r?\n/).pop().trim();
}

module.exports = { explainStop, findFault, launch, programPath };
