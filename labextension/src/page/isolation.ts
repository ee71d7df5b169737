/** What to do about a page that is not cross-origin isolated. */
export const NOT_ISOLATED =
  'This page is not cross-origin isolated, so the kernel cannot wait for Spark, for files or for input(). ' +
  'The server must send "Cross-Origin-Opener-Policy: same-origin" and ' +
  '"Cross-Origin-Embedder-Policy: credentialless" with every page: check that PcwExtension.isolation is not "off" and ' +
  'that no reverse proxy removes these headers, open JupyterLab through https or localhost, and reload the page.';
