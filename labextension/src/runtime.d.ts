/** The runtime's scripts are imported by their place in the repository; their types are generated from their JSDoc. */
declare module '*/client/runtime/js/restore.js' {
  export * from 'types-of-the-runtime/restore.js';
}

declare module '*/client/runtime/js/preload.js' {
  export * from 'types-of-the-runtime/preload.js';
}

declare module '*/client/runtime/js/damage.js' {
  export * from 'types-of-the-runtime/damage.js';
}
