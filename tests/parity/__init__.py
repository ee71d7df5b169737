"""PySpark's own documentation examples through three clients: the ordinary one, ours on CPython, ours in a browser."""
