/** What `vsce package` runs first: one file with the client in it, and copies of what lives elsewhere in the project. */
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const esbuild = require("esbuild");

const project = path.join(__dirname, "..", "..");
for (const file of ["LICENSE", "docs/recipe.schema.json"])
  fs.copyFileSync(path.join(project, file), path.join(__dirname, path.basename(file)));

esbuild.buildSync({
  absWorkingDir: __dirname,
  entryPoints: ["source/extension.js"],
  outfile: "dist/extension.js",
  bundle: true,
  minify: true,
  platform: "node",
  target: "node18", // of VS Code 1.82
  external: ["vscode"],
  legalComments: "linked",
});
