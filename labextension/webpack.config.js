const { LicensesPlugin } = require('./licenses.js');

// Worker files are complete modules: emitted as they are, under a name of their own.
module.exports = {
  plugins: [new LicensesPlugin()],
  resolve: {
    // Only a site's page needs a storage, and it has JupyterLite's own copy of the package that loads this one.
    alias: { 'localforage-memoryStorageDriver': false }
  },
  module: {
    rules: [
      {
        test: /\.worker\.js$/,
        type: 'asset/resource',
        generator: { filename: '[name].[contenthash][ext]' }
      }
    ]
  }
};
