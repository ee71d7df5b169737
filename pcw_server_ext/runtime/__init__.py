"""Serves the browser runtime: Pyodide, its packages, the snapshot and the workers.

bundle     the built bundle on disk: manifest and files, each stored once
forms      other content codings of those files, made when they are needed
handlers   its URLs
"""
