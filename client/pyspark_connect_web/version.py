"""The version of the client, the same as the server's."""

__version__ = "0.1.0"
