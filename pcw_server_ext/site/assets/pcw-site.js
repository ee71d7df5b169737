// What a site's page must settle before the application starts. A classic script in the head of every page:
//   <script src="../pcw-site.js" data-root=".." data-channel="sab"></script>
//
// - a page that is not cross-origin isolated says so at once, unless the site chose the XMLHttpRequest channel;
// - addresses in the page configuration become absolute, wherever the site is hosted;
// - a part of the page that cannot be loaded is named, with what to do;
// - self.PCW_PYODIDE_INDEX_URL, PCW_WHEEL_URL and PCW_PYSPARK_WHEEL_URL are honoured, same-origin ones only.
(() => {
  "use strict";
  const script = document.currentScript;
  const root = new URL(`${script.dataset.root}/`, location.href);
  const CONFIG = "jupyter-config-data";
  const KERNEL = "@jupyterlite/pyodide-kernel-extension:kernel";
  const OVERRIDES = ["PCW_PYODIDE_INDEX_URL", "PCW_WHEEL_URL", "PCW_PYSPARK_WHEEL_URL"];

  const report = (id, reason) => {
    const show = () => {
      if (document.getElementById(id)) {
        return;
      }
      const banner = document.createElement("div");
      banner.id = id;
      banner.setAttribute("role", "alert");
      banner.textContent = reason;
      banner.style.cssText =
        "position:fixed;bottom:0;left:0;right:0;z-index:99999;padding:6px 12px;" +
        "background:#fff3cd;color:#333;font:13px sans-serif";
      document.body.append(banner);
    };
    console.error(`pcw: ${reason}`);
    if (document.body) {
      show();
    } else {
      addEventListener("DOMContentLoaded", show);
    }
  };

  if (!self.crossOriginIsolated && script.dataset.channel !== "xhr" && !self.pcwIsolationPending) {
    report(
      "pcw-isolation-problem",
      self.pcwIsolationProblem ??
        "This page is not cross-origin isolated, so the kernel cannot wait for Spark. Its host must send " +
          '"Cross-Origin-Opener-Policy: same-origin" and "Cross-Origin-Embedder-Policy: credentialless" with every ' +
          "file, through https:// or on localhost. To see what is missing, run: jupyter pcw check " +
          root.href,
    );
  }

  // Chunks of the application are loaded when they are first needed, by then perhaps from another version of the site.
  addEventListener(
    "error",
    ({ target }) => {
      const address = target instanceof HTMLScriptElement ? target.src : (target?.href ?? "");
      if (typeof address === "string" && address.startsWith(root.href)) {
        report(
          "pcw-part-problem",
          `A part of this page, ${address.slice(root.href.length)}, could not be loaded. A newer version of the site may ` +
            "have been published while the page was open: save your work, which stays in this browser, and reload the " +
            `page. If that does not help, not all of the site was published: jupyter pcw check ${root.href}`,
        );
      }
    },
    true,
  );

  // A page may set these before this script; what they name must come from the site's own origin, since an isolated
  // worker loads scripts and wheels from nowhere else.
  const overrides = {};
  for (const name of OVERRIDES) {
    if (typeof self[name] !== "string" || !self[name]) {
      continue;
    }
    const url = new URL(self[name], location.href);
    if (url.origin !== location.origin) {
      report(
        "pcw-override-problem",
        `${name} names ${url.origin}, another origin than this page's. An isolated page cannot load scripts and ` +
          "wheels from there: put the files beside the site and give their path.",
      );
      continue;
    }
    overrides[name] = url.href;
  }

  const absolute = (value) => (value ? new URL(value, root).pathname : value);
  // A site that a Jupyter server serves, staged or as its own: the server's base URL.
  const server = /^(.*\/)pcw\/(?:sites\/[^/]+|lite)\/$/.exec(root.pathname)?.[1] ?? null;

  const settle = (config) => {
    const ours = typeof config.pcw === "string" ? JSON.parse(config.pcw) : config.pcw;
    if (!ours) {
      return;
    }
    ours.runtimeUrl = absolute(ours.runtimeUrl);
    ours.preinstalledUrl = absolute(ours.preinstalledUrl);
    if (ours.site.endpoint === "same-origin") {
      ours.grpcUrl = server ? `${server}pcw/grpc/` : absolute("./pcw/grpc/");
    }
    ours.site.root = root.pathname;
    ours.site.server = server;
    config.pcw = JSON.stringify(ours);
    // For the stock kernel; the kernel "PySpark (browser)" has its own runtime with everything in it.
    const kernel = ((config.litePluginSettings ??= {})[KERNEL] ??= {});
    if (overrides.PCW_PYODIDE_INDEX_URL) {
      const base = overrides.PCW_PYODIDE_INDEX_URL.replace(/\/*$/, "/");
      kernel.pyodideUrl = `${base}pyodide.mjs`;
      kernel.loadPyodideOptions = { ...kernel.loadPyodideOptions, lockFileURL: `${base}pyodide-lock.json` };
    }
    const { PCW_WHEEL_URL: client, PCW_PYSPARK_WHEEL_URL: pyspark } = overrides;
    if (client || pyspark) {
      // A wheel that is named by its address brings nothing along: what it needs comes from Pyodide's lock file.
      const needed = pyspark ? ["protobuf", "googleapis-common-protos", pyspark] : ["pyspark"];
      const packages = [
        ...(kernel.loadPyodideOptions?.packages ?? []),
        ...needed,
        ...(client ? [client] : []),
      ];
      kernel.loadPyodideOptions = { ...kernel.loadPyodideOptions, packages };
    }
  };

  // JupyterLite merges its configuration files into this element and then loads the application. Observers run
  // after that task, before the application's script can.
  const observer = new MutationObserver(() => {
    const element = document.getElementById(CONFIG);
    const text = element?.textContent.trim();
    if (!text || text === "{}") {
      return;
    }
    const config = JSON.parse(text);
    observer.disconnect();
    settle(config);
    element.textContent = JSON.stringify(config);
  });
  observer.observe(document, { childList: true, subtree: true });
})();
