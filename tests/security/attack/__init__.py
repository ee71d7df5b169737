"""Attacks on a live server, as a program: `python -m tests.security.attack`."""
