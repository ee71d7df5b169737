// One service worker for cross-origin isolation and for JupyterLite's /drive: a scope has one controller.
//
// JupyterLite's own worker is loaded unchanged at the end; its answers get the isolation headers on the way out.
"use strict";
(() => {
  const MODE = "__PCW_ISOLATION__";
  // Safari does not know credentialless.
  const safari = /AppleWebKit/.test(navigator.userAgent) && !/Chrom(e|ium)/.test(navigator.userAgent);
  const policy = MODE === "credentialless" && safari ? "require-corp" : MODE;
  // What has an embedder policy of its own: documents and workers. Everything else is checked against theirs.
  const OWNERS = new Set(["document", "iframe", "frame", "worker", "sharedworker"]);

  // What JupyterLite's worker answers itself.
  const ANSWERED_HERE = /\/api\/(drive|stdin\/|service-worker-heartbeat)/;
  // As bundlers name files: `jlab_core.a86436d.js`.
  const NAMED_BY_CONTENT = /\.[0-9a-f]{7,}\.[a-z0-9.]+$/;

  const isolated = (response) => {
    // These have no readable headers; the browser follows or reports them itself.
    if (["opaque", "opaqueredirect", "error"].includes(response.type)) {
      return response;
    }
    const headers = new Headers(response.headers);
    headers.set("Cross-Origin-Embedder-Policy", policy);
    headers.set("Cross-Origin-Opener-Policy", "same-origin");
    headers.set("Cross-Origin-Resource-Policy", "same-origin");
    return new Response(response.body, {
      status: response.status,
      statusText: response.statusText,
      headers,
    });
  };

  const respondWith = FetchEvent.prototype.respondWith;
  FetchEvent.prototype.respondWith = function (answer) {
    const ours = new URL(this.request.url).origin === self.location.origin;
    const wanted = policy !== "off" && ours && OWNERS.has(this.request.destination);
    return respondWith.call(this, wanted ? Promise.resolve(answer).then(isolated) : answer);
  };

  // Some requests go straight to the network, under the embedder policy of the page that asks: those to other origins
  // (queries to Spark among them: a worker in between costs every byte), and the hundred megabytes of the runtime,
  // which the HTTP cache keeps, unless JupyterLite's own cache for use without a network was asked for.
  const cached = new URL(self.location.href).searchParams.get("enableCache") === "true";
  self.addEventListener("fetch", (event) => {
    const url = new URL(event.request.url);
    const runtime =
      !cached && url.pathname.includes("/pcw/runtime/") && !OWNERS.has(event.request.destination);
    if (url.origin !== self.location.origin || runtime) {
      event.stopImmediatePropagation();
      return;
    }
    // Some hosts let a browser keep every file for ten minutes. What is not named by its content is asked for again, or
    // after a new version was published a page would be made of files of both.
    const toHost = event.request.method === "GET" && !ANSWERED_HERE.test(url.pathname);
    if (!cached && toHost && !NAMED_BY_CONTENT.test(url.pathname)) {
      event.stopImmediatePropagation();
      event.respondWith(fetch(event.request, { cache: "no-cache" }));
    }
  });
})();
importScripts("service-worker-jupyterlite.js");
