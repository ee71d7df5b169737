"""Serves a built site as its host would."""
