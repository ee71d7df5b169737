"""Spark Connect servers: configured endpoints, their credentials, and connections to them."""
