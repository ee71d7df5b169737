/**
 * What the page adds to requests for its own server: the token or the XSRF value.
 *
 * The page reads them, the network worker uses them, and they go nowhere but to the grpc-web endpoints of the page's
 * own server, `{base}pcw/grpc/{endpoint}/{service}/{method}`: no cell can have a request for another part of the server
 * signed with them. They change while a page is open (a new login, a renewed cookie), so the network worker asks again
 * when the server refuses a request.
 */

/** @typedef {import("./protocol.js").Credentials} Credentials */

/**
 * Read the credentials of a Jupyter page, now.
 *
 * @param {Pick<Document, "getElementById" | "cookie">} document
 * @param {string} pageUrl
 * @returns {Credentials}
 */
export function jupyterCredentials(document, pageUrl) {
  const text = document.getElementById("jupyter-config-data")?.textContent;
  const config = text ? JSON.parse(text) : {};
  // A site that a Jupyter server serves has a base URL of its own, below the server's.
  const ours = typeof config.pcw === "string" ? JSON.parse(config.pcw) : config.pcw;
  const path = ours?.site?.server ?? config.baseUrl;
  const base = new URL(typeof path === "string" ? path : "/", pageUrl).href;
  /** @type {Record<string, string>} */
  const headers = {};
  if (config.token) {
    headers["Authorization"] = `token ${config.token}`;
  }
  const xsrf = readCookie(document.cookie, "_xsrf");
  if (xsrf) {
    headers["X-XSRFToken"] = xsrf;
  }
  return { scope: `${base.endsWith("/") ? base : `${base}/`}pcw/grpc/`, headers };
}

/**
 * @param {string} cookies as in `document.cookie`; of two with one name the more specific path comes first
 * @param {string} name
 * @returns {string | null}
 */
export function readCookie(cookies, name) {
  for (const pair of cookies.split(";")) {
    const at = pair.indexOf("=");
    if (at > 0 && pair.slice(0, at).trim() === name) {
      return pair.slice(at + 1).trim();
    }
  }
  return null;
}

/**
 * What follows the scope in the address of a call: endpoint, service and method. An endpoint's name may have letters of
 * any alphabet, which an address holds as bytes above 127; nothing else is encoded, least of all slashes and dots.
 */
const CALL = /^(?:[\w-]|%[89a-f][0-9a-f])+\/[\w.]+\/\w+$/i;

/** How long the page may take to answer before the server's refusal is passed on, in milliseconds. */
const ANSWER_MS = 5000;

export class CredentialStore {
  /**
   * @param {string} pageUrl
   * @param {Credentials | null} first
   * @param {() => Promise<Credentials | null>} ask the page
   */
  constructor(pageUrl, first, ask) {
    this.origin = new URL(pageUrl).origin;
    this.current = first;
    this.ask = ask;
    /** @type {Promise<void> | null} */
    this.asking = null;
  }

  /**
   * @param {URL} url
   * @returns {Record<string, string>} headers to add to a request for this URL
   */
  headersFor(url) {
    if (!this.current || url.origin !== this.origin || !url.href.startsWith(this.current.scope)) {
      return {};
    }
    return CALL.test(url.href.slice(this.current.scope.length)) ? this.current.headers : {};
  }

  /**
   * Ask the page again; several refused calls share one question.
   *
   * @param {URL} url
   * @returns {Promise<boolean>} true when the page now gives something else for this URL
   */
  async refresh(url) {
    const before = JSON.stringify(this.headersFor(url));
    this.asking ??= this.#askPage().finally(() => {
      this.asking = null;
    });
    await this.asking;
    return JSON.stringify(this.headersFor(url)) !== before;
  }

  async #askPage() {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, ANSWER_MS, undefined);
    });
    const answer = await Promise.race([this.ask(), late]);
    clearTimeout(timer);
    if (answer !== undefined) {
      this.current = /** @type {Credentials | null} */ (answer);
    }
  }
}
