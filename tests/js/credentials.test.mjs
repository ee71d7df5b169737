/** Credentials: read from the page at the time, sent to the server's own URLs only, asked for once more. */
import assert from "node:assert/strict";
import { test } from "node:test";

import {
  CredentialStore,
  jupyterCredentials,
  readCookie,
} from "../../client/js/src/credentials.js";

const PAGE = "https://hub.example/user/x/lab/tree/a.ipynb";

function page(config, cookie = "") {
  return {
    cookie,
    getElementById: () =>
      config === null ? null : { textContent: JSON.stringify(config) },
  };
}

test("token and xsrf value are read from a Jupyter page", () => {
  const document = page(
    { baseUrl: "/user/x/", token: "t0" },
    "a=b; _xsrf=2|x=y; _xsrf=other",
  );
  assert.deepEqual(jupyterCredentials(document, PAGE), {
    scope: "https://hub.example/user/x/pcw/grpc/",
    headers: { Authorization: "token t0", "X-XSRFToken": "2|x=y" },
  });
});

test("a page without configuration gives no headers", () => {
  assert.deepEqual(jupyterCredentials(page(null), PAGE), {
    scope: "https://hub.example/pcw/grpc/",
    headers: {},
  });
});

test("a relative base URL is the page's", () => {
  assert.equal(
    jupyterCredentials(page({ baseUrl: "./" }), "https://a.example/s/lab/")
      .scope,
    "https://a.example/s/lab/pcw/grpc/",
  );
});

test("a base URL without a slash gets one, so that a neighbour's name does not match", () => {
  assert.equal(
    jupyterCredentials(page({ baseUrl: "/user/x" }), PAGE).scope,
    "https://hub.example/user/x/pcw/grpc/",
  );
});

test("cookies are found by their whole name", () => {
  assert.equal(readCookie("x_xsrf=1; _xsrfy=2", "_xsrf"), null);
  assert.equal(readCookie("_xsrf=", "_xsrf"), "");
});

const GIVEN = {
  scope: "https://hub.example/user/x/pcw/grpc/",
  headers: { Authorization: "token t0" },
};

for (const [url, sent] of [
  ["https://hub.example/user/x/pcw/grpc/default/my.Service/Get", true],
  ["https://hub.example/user/x/pcw/grpc/gr%C3%BCn-1_a/my.Service/Get", true],
  ["https://hub.example/user/x/pcw/grpc/../grpc/default/my.Service/Get", true],
  ["https://hub.example/user/x/api/terminals", false],
  ["https://hub.example/user/x/api/contents/a.ipynb", false],
  ["https://hub.example/user/x/pcw/api/tokens", false],
  ["https://hub.example/user/x/pcw/grpc", false],
  ["https://hub.example/user/x/pcw/grpc/default", false],
  ["https://hub.example/user/x/pcw/grpc/../../api/terminals", false],
  ["https://hub.example/user/x/pcw/grpc/%2e%2e/%2e%2e/api/terminals", false],
  ["https://hub.example/user/x/pcw/grpc/..%2f..%2fapi/x/terminals", false],
  ["https://hub.example/user/x/pcw/grpc/a%5c..%5c../x/y", false],
  ["https://hub.example/user/x/pcw/grpc/a/b/c/d", false],
  ["https://hub.example/user/x/pcw/grpc/a/b/c?token=1", false],
  ["https://hub.example/user/x/pcw/grpc/a/b/c#d", false],
  ["https://hub.example/user/xy/pcw", false],
  ["https://hub.example/user/x/../y/pcw", false],
  ["https://hub.example.evil/user/x/pcw", false],
  ["http://hub.example/user/x/pcw", false],
  ["https://hub.example:8443/user/x/pcw", false],
]) {
  test(`credentials ${sent ? "go" : "do not go"} to ${url}`, () => {
    const store = new CredentialStore(PAGE, GIVEN, async () => null);
    assert.equal("Authorization" in store.headersFor(new URL(url)), sent);
  });
}

test("a scope on another origin than the page's is never used", () => {
  const store = new CredentialStore(
    "https://elsewhere.example/",
    GIVEN,
    async () => null,
  );
  assert.deepEqual(
    store.headersFor(new URL("https://hub.example/user/x/pcw/grpc/a/b/c")),
    {},
  );
});

test("calls that are refused together ask the page once", async () => {
  const url = new URL("https://hub.example/user/x/pcw/grpc/a/b/c");
  let questions = 0;
  const store = new CredentialStore(PAGE, GIVEN, async () => {
    questions++;
    return { ...GIVEN, headers: { Authorization: "token t1" } };
  });
  assert.deepEqual(
    await Promise.all([store.refresh(url), store.refresh(url)]),
    [true, true],
  );
  assert.equal(questions, 1);
  assert.equal(store.headersFor(url).Authorization, "token t1");
  assert.equal(
    await store.refresh(url),
    false,
    "the same again is nothing new",
  );
});

test("a page that does not answer leaves the credentials as they are", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const store = new CredentialStore(PAGE, GIVEN, () => new Promise(() => {}));
  const answer = store.refresh(
    new URL("https://hub.example/user/x/pcw/grpc/a/b/c"),
  );
  context.mock.timers.tick(5000);
  assert.equal(await answer, false);
  assert.deepEqual(store.current, GIVEN);
});
