// Would put a script of its own into every page of the origin, after the site is gone too.
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  if (event.request.mode === "navigate") {
    event.respondWith(
      new Response("<script>window.HIJACKED = true</script>", { headers: { "Content-Type": "text/html" } }),
    );
  }
});
