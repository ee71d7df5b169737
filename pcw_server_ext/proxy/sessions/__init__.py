"""Queries and sessions between calls: which nobody waits for any more, and what is done about them."""
