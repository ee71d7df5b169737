/** Which files of a runtime are said to be missing or wrong: whatever is seen in time, and what the start itself saw. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { explained } from "../../client/runtime/js/damage.js";
import { TransferError, download } from "../../client/runtime/js/transfer.js";

const RUNTIME = "https://host.example/runtime/";
const PACK = "kernel/pyspark.pack";
const MANIFEST = {
  files: { [PACK]: { size: 8 } },
  kernel: {
    index: "kernel/site.json",
    packs: { pyspark: { path: PACK, boot: true } },
  },
};
const realFetch = globalThis.fetch;

/** What the host does with each path: an answer, or a function that gets how it is asked. */
let answers;

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout"] });
  answers = { [PACK]: () => new Response(new Uint8Array(8)) };
  globalThis.fetch = async (url, how = {}) => {
    const answer = answers[url.slice(RUNTIME.length)];
    return answer ? answer(how) : new Response("{}");
  };
});

afterEach(() => {
  mock.timers.reset();
  globalThis.fetch = realFetch;
});

/** A host that never answers. */
function silence({ signal }) {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

/** A body of which a byte comes in each second. */
function slowly(bytes) {
  return ({ signal }) => {
    let left = bytes;
    const body = new ReadableStream({
      start(controller) {
        signal.addEventListener("abort", () => controller.error(signal.reason));
      },
      pull(controller) {
        return new Promise((resolve) => {
          setTimeout(() => {
            if (!signal.aborted) {
              controller.enqueue(new Uint8Array(1));
              left -= 1;
              if (left === 0) {
                controller.close();
              }
            }
            resolve();
          }, 1000);
        });
      },
    });
    return Promise.resolve(new Response(body));
  };
}

/** @returns what it says, and after how many seconds of the clock */
async function said(failure) {
  let result;
  void explained(failure, RUNTIME, MANIFEST).then((error) => {
    result = error;
  });
  for (let seconds = 0; seconds < 100; seconds += 1) {
    for (let turn = 0; turn < 50; turn += 1) {
      await Promise.resolve();
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (result) {
      return [result.message, seconds];
    }
    mock.timers.tick(1000);
  }
  throw new Error("nothing was said");
}

test("a failure with sound files is told as it is", async () => {
  assert.deepEqual(await said(new Error("no memory")), ["no memory", 0]);
});

test("a file that the host lost is named with the remedy", async () => {
  answers[PACK] = () => new Response("", { status: 404 });
  const [message] = await said(new Error("no module"));
  assert.match(
    message,
    /kernel\/pyspark\.pack answered 404\..* reload the page.*jupyter pcw check/,
  );
});

test("a file that comes slowly is looked at to its end", async () => {
  answers[PACK] = slowly(7);
  const [message, seconds] = await said(new Error("no module"));
  assert.match(message, /kernel\/pyspark\.pack has 7 bytes instead of 8\./);
  // twice: what the browser kept, and what the host has
  assert.ok(seconds >= 14, `after ${seconds} s`);
});

test("a host that falls silent leaves the failure as it is, after six seconds", async () => {
  answers[PACK] = silence;
  assert.deepEqual(await said(new Error("no module")), ["no module", 6]);
});

test("what the start saw is named though the host fell silent", async () => {
  answers[PACK] = silence;
  const failure = new TransferError(
    RUNTIME + PACK,
    "has 4 bytes instead of 8",
  );
  const [message, seconds] = await said(failure);
  assert.match(message, /kernel\/pyspark\.pack has 4 bytes instead of 8\./);
  assert.ok(seconds <= 12, `after ${seconds} s`);
});

test("files that come slowly do not hold up one that is known to be wrong", async () => {
  answers["manifest.json"] = () => new Response("", { status: 404 });
  answers[PACK] = slowly(60);
  const [message, seconds] = await said(new Error("no module"));
  assert.match(message, /: manifest\.json answered 404\./);
  assert.ok(seconds <= 2, `after ${seconds} s`);
});

test("what the browser had kept wrong is fetched again", async () => {
  answers[PACK] = ({ cache }) =>
    new Response(new Uint8Array(cache === "reload" ? 8 : 4));
  const [message] = await said(new Error("no module"));
  assert.match(
    message,
    /had kept wrong files.*kernel\/pyspark\.pack has 4 bytes.*Start the kernel again/,
  );
});

for (const [bytes, fault] of [
  [4, "has 4 bytes instead of 8"],
  [9, "has more than 8 bytes"],
]) {
  test(`a download of ${bytes} bytes instead of 8 names the file and what it has`, async () => {
    answers[PACK] = () => new Response(new Uint8Array(bytes));
    await assert.rejects(download(RUNTIME + PACK, new Uint8Array(8)), {
      name: "TransferError",
      message: `${RUNTIME}${PACK} ${fault}`,
    });
  });
}
