"""Every figure that the documents claim, measured against a peer: ``python -m bench NAME --json``."""
