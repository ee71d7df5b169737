"""Attacks on a running server, and what must come of them."""
