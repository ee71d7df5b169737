"""The scripts of the bridge, without a browser."""
