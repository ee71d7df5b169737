/** What a site's build tells its pages, as `pcw.site` of the page configuration. */
export interface ISiteConfig {
  /** A grpc-web address, `ask`, or `same-origin`. */
  endpoint: string;
  /** Path of the site's root; starts and ends with `/`. */
  root: string;
  /** Base URL of the Jupyter server that serves the site, or null. */
  server: string | null;
}

export const ASK = 'ask';
export const SAME_ORIGIN = 'same-origin';
