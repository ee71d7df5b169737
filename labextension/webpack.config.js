const { LicensesPlugin } = require('./licenses.js');

// Worker files are complete modules: emitted as they are, under a name of their own.
module.exports = {
  plugins: [new LicensesPlugin()],
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
