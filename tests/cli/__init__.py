"""The command line: `jupyter pcw`."""
