// Runs a Python file in Pyodide under Node:  node pyodide.mjs PYODIDE_FOLDER SCRIPT.py FOLDER...
// Every FOLDER is mounted at its own path; the script's standard output is this process's.
import { pathToFileURL } from "node:url";
import { readFileSync } from "node:fs";

const [, , core, script, ...folders] = process.argv;
const { loadPyodide } = await import(pathToFileURL(`${core}/pyodide.mjs`).href);
const pyodide = await loadPyodide({ indexURL: core, stdout: (line) => console.log(line) });
for (const folder of folders) {
  pyodide.FS.mkdirTree(folder);
  pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root: folder }, folder);
}
pyodide.globals.set("folders", pyodide.toPy(folders));
pyodide.runPython(readFileSync(script, "utf-8"));
