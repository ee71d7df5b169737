// Worker files are complete modules: emitted as they are, under a name of their own.
module.exports = {
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
