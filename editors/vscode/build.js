/** What `vsce package` runs first: one file with the client and its libraries, their
 * licences, and copies of what lives elsewhere in the project. */
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const esbuild = require("esbuild");

const project = path.join(__dirname, "..", "..");
for (const file of ["LICENSE", "docs/recipe.schema.json"])
  fs.copyFileSync(path.join(project, file), path.join(__dirname, path.basename(file)));

const { metafile } = esbuild.buildSync({
  absWorkingDir: __dirname,
  entryPoints: ["source/extension.js"],
  outfile: "dist/extension.js",
  bundle: true,
  minify: true,
  platform: "node",
  target: "node18", // of VS Code 1.82
  external: ["vscode"],
  metafile: true,
});

const bundled = new Set(Object.keys(metafile.inputs).map((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]));
bundled.delete(undefined); // the extension itself
const licences = [...bundled].sort().map((folder) => {
  const file = fs.readdirSync(path.join(__dirname, folder)).find((name) => /^licen[cs]e/i.test(name));
  return `${path.relative("node_modules", folder)}\n\n${fs.readFileSync(path.join(__dirname, folder, file), "utf8")}`;
});
fs.writeFileSync(path.join(__dirname, "dist/extension.js.LICENSES.txt"), licences.join(`\n${"-".repeat(80)}\n\n`));
