"""The one place of the project's version: build, server, sites and the browser's wheel take it from here."""

__version__ = "0.1.0"
