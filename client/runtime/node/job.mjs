// What the build's scripts share: their input, Pyodide, and errors that fit on a screen.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

/**
 * Run a script on the job described by the JSON file that is its only argument.
 * @param {(job: any) => Promise<void>} script
 */
export async function run(script) {
  try {
    await script(JSON.parse(fs.readFileSync(process.argv[2], "utf8")));
    process.exit(0);
  } catch (error) {
    // Node's own report would print the source line, which is a megabyte in minified files.
    const stack = String(error?.stack ?? error).split("\n");
    console.error(stack.map((line) => line.slice(0, 300)).join("\n"));
    process.exit(1);
  }
}

/**
 * Load Pyodide from an unpacked npm package.
 * @param {string} folder
 * @param {object} [options] further options of loadPyodide
 */
export async function pyodideFrom(folder, options = {}) {
  const indexURL = path.resolve(folder) + path.sep;
  const { loadPyodide } = await import(pathToFileURL(indexURL + "pyodide.mjs").href);
  const { info } = JSON.parse(fs.readFileSync(indexURL + "pyodide-lock.json", "utf8"));
  return loadPyodide({
    indexURL,
    // No package is ever loaded by name here.
    lockFileContents: JSON.stringify({ info, packages: {} }),
    // Kept by what imports it: not a folder of this machine.
    packageBaseUrl: "/",
    ...options,
  });
}
