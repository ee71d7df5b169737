"""Builds a JupyterLite site: the addon, its files and its configuration."""
