"""The documentation and the files that make releases: what they say is there, and works."""
