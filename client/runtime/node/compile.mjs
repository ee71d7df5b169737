// Compiles the Python files of wheels with the very interpreter that will load them.
// Input: { pyodide: folder, python: file, site: folder in Pyodide, tasks: [{ input, output }] };
// each output is a zip archive of __pycache__ files.
import fs from "node:fs";
import { pyodideFrom, run } from "./job.mjs";

await run(async (job) => {
  const pyodide = await pyodideFrom(job.pyodide, { env: { HOME: "/home/pyodide", PYTHONHASHSEED: "0" } });
  pyodide.runPython(fs.readFileSync(job.python, "utf8"));
  const compileWheel = pyodide.globals.get("compile_wheel");
  for (const { input, output } of job.tasks) {
    const archive = compileWheel(new Uint8Array(fs.readFileSync(input)), job.site);
    fs.writeFileSync(output, archive.toJs());
    archive.destroy();
  }
});
