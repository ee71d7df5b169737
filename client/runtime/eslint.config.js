// Checked with the tools of client/js: this folder has no npm package of its own.
import js from "../js/node_modules/@eslint/js/src/index.js";

export default [
  js.configs.recommended,
  {
    rules: {
      eqeqeq: "error",
      "no-var": "error",
      "prefer-const": "error",
      "no-undef": "off", // the type checker knows the globals better
      "no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
    },
  },
];
