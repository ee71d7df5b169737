// Cross-origin isolation on hosts that cannot send headers, in one registration with JupyterLite's own worker.
//
// A classic script, first in the head of every page:
//   <script src="../coi-serviceworker.js" data-root=".." data-version="APP VERSION"></script>
//
// It registers exactly the URL that JupyterLite's manager will register (one scope has one worker), waits until
// the worker is active, and reloads the page once. Where that is impossible it says why and lets the page start.
(() => {
  "use strict";
  const ATTEMPT = "pcw-isolation-attempt";
  // A second attempt within this time means that reloading does not help; a mere flag would outlive its reason.
  const AGAIN_MS = 15000;
  // However slow the host is, a tab reloads no more often than this.
  const MOST_ATTEMPTS = 3;
  const ACTIVATION_MS = 10000;
  const CONTROL_MS = 2000;

  const script = document.currentScript;
  const root = new URL(`${script.dataset.root}/`, location.href).href;

  const report = (reason) => {
    self.pcwIsolationProblem = reason;
    const show = () => {
      const banner = document.createElement("div");
      banner.id = "pcw-isolation-problem";
      banner.setAttribute("role", "alert");
      banner.textContent = reason;
      banner.style.cssText =
        "position:fixed;bottom:0;left:0;right:0;z-index:99999;padding:6px 12px;" +
        "background:#fff3cd;color:#333;font:13px sans-serif";
      document.body.append(banner);
    };
    if (document.body) {
      show();
    } else {
      addEventListener("DOMContentLoaded", show);
    }
  };

  // Storage may be refused altogether; without it no reload is tried, so none can repeat.
  let stored = null;
  try {
    stored = sessionStorage;
    stored.getItem(ATTEMPT);
  } catch {
    stored = null;
  }

  if (self.crossOriginIsolated) {
    stored?.removeItem(ATTEMPT);
    return;
  }
  if (self !== self.top) {
    // A frame cannot isolate itself: its topmost page must.
    report(
      "This page is embedded in another one that is not cross-origin isolated, so the kernel cannot wait for Spark. " +
        "Open it in a tab of its own.",
    );
    return;
  }
  if (!self.isSecureContext) {
    report(
      "This page came over plain http, where the browser offers neither service workers nor shared memory, so the " +
        "kernel cannot wait for Spark. Open it through https:// (or on localhost).",
    );
    return;
  }
  if (!("serviceWorker" in navigator)) {
    report(
      "Service workers are switched off here (a private window or a browser setting), and this host cannot send the " +
        "isolation headers itself, so the kernel cannot wait for Spark. Open the page in an ordinary window.",
    );
    return;
  }
  if (stored === null) {
    report(
      "The browser refuses storage to this page, so it cannot be isolated safely. Allow cookies and site data for " +
        "this site and reload.",
    );
    return;
  }
  const last = JSON.parse(stored.getItem(ATTEMPT) ?? '{"at": 0, "count": 0}');
  if (last.refused) {
    report(
      `The browser refused the service worker that isolates this page (${last.refused}), so the kernel cannot wait ` +
        "for Spark. Check that service-worker.js can be loaded beside this site's index.html.",
    );
    stored.removeItem(ATTEMPT);
    return;
  }
  if (Date.now() - last.at < AGAIN_MS || last.count >= MOST_ATTEMPTS) {
    report(
      navigator.serviceWorker.controller
        ? "The browser did not isolate this page although its service worker runs. Reload it; if that does not help, " +
            "your browser does not support cross-origin isolation through a service worker."
        : "The service worker was bypassed (a hard reload does that). Reload the page normally.",
    );
    return;
  }
  const attempt = { at: Date.now(), count: last.count + 1 };
  stored.setItem(ATTEMPT, JSON.stringify(attempt));

  const url = new URL(`service-worker.js?enableCache=${script.dataset.cache ?? "false"}`, root).href;
  try {
    // Without this key JupyterLite's manager unregisters every worker of the origin.
    localStorage.setItem(`${url}-version`, script.dataset.version);
  } catch {
    // sessionStorage worked, so this is a full store: the manager registers anew, at the cost of one more reload.
  }
  // The application must not start twice. Nothing else is to be reported meanwhile.
  self.pcwIsolationPending = true;
  self.stop();

  const activated = (worker) =>
    new Promise((resolve) => {
      const check = () => {
        if (worker.state === "activated" || worker.state === "redundant") {
          resolve();
        }
      };
      worker.addEventListener("statechange", check);
      check();
    });
  const controlled = () =>
    navigator.serviceWorker.controller
      ? Promise.resolve()
      : new Promise((resolve) => {
          navigator.serviceWorker.addEventListener("controllerchange", resolve, { once: true });
        });
  const atMost = (promise, milliseconds) =>
    Promise.race([promise, new Promise((resolve) => setTimeout(resolve, milliseconds))]);

  (async () => {
    let refused;
    try {
      const registration = await navigator.serviceWorker.register(url);
      const worker = registration.installing ?? registration.waiting ?? registration.active;
      await atMost(activated(worker), ACTIVATION_MS);
      await atMost(controlled(), CONTROL_MS);
    } catch (error) {
      // Told after the reload, which lets the application start without isolation.
      refused = String(error);
    }
    // Counted from here: what a slow machine needs for the worker says nothing about what the reload does.
    stored.setItem(ATTEMPT, JSON.stringify({ ...attempt, at: Date.now(), refused }));
    location.reload();
  })();
})();
