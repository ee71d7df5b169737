import eslint from '@eslint/js';
import tseslint from 'typescript-eslint';

const scripts = {
  files: ['licenses.js', 'webpack.config.js'],
  languageOptions: {
    sourceType: 'commonjs',
    globals: { __dirname: 'readonly', module: 'writable', require: 'readonly' }
  }
};

const modules = {
  files: ['*.mjs'],
  languageOptions: { globals: { console: 'readonly', process: 'readonly' } }
};

export default tseslint.config(
  { ignores: ['lib/', 'lib-types/', 'node_modules/'] },
  eslint.configs.recommended,
  scripts,
  modules,
  {
    files: ['src/**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      curly: ['error', 'all'],
      eqeqeq: 'error',
      'prefer-arrow-callback': 'error',
      // JupyterLab's own style: a namespace beside a class holds its option types.
      '@typescript-eslint/no-namespace': 'off',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      // Interfaces of JupyterLab are asynchronous where ours have nothing to wait for.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/naming-convention': [
        'error',
        { selector: 'interface', format: ['PascalCase'], custom: { regex: '^I[A-Z]', match: true } }
      ]
    }
  }
);
