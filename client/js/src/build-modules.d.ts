/** Provided by build.mjs: the bundled network worker as text. */
declare module "pcw:network_worker" {
  const source: string;
  export default source;
}
