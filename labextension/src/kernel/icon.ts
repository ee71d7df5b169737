/** A spark of five rays in orange: readable on light and dark, at 16 and at 64 pixels. */
export const ICON_SVG =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">' +
  '<path fill="#e8590c" d="M33 4c2 0 3 1 3.500 3l4 13.500 14-2.500c2-.4 3.500.6 4 2s0 3-1.800 4L44.500 31l7.500 12' +
  'c1 1.700.8 3.500-.5 4.500s-3 .9-4.500-.4L36 38.500 27.500 50c-1.200 1.600-3 2-4.500 1.100s-2-2.600-1.200-4.500L27 33.500 14.500 27' +
  'c-1.800-1-2.500-2.700-1.800-4.300s2.300-2.300 4.300-1.900l13 2.700 0-15.500C30 5.500 31 4 33 4z"/>' +
  '<path fill="#ffa94d" d="M36 24.500l6 3.500-6 4-1.500 6-5-4.500-6 .5 4.500-5-2-6 6 1.500z"/>' +
  '<path fill="none" stroke="#e8590c" stroke-width="3.500" stroke-linecap="round" d="M10 54c8 5 18 7 28 5"/>' +
  '</svg>';

/** As a kernelspec's resource. */
export const ICON_URL = `data:image/svg+xml;base64,${btoa(ICON_SVG)}`;
