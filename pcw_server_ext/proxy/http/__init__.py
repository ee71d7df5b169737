"""Tornado: authentication, CORS, HTTP errors, and the request and answer of a call piece by piece."""
