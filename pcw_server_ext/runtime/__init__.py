"""Serves the browser runtime: Pyodide, its packages, the snapshot and the workers.

bundle      the built bundle on disk: manifest, files, precompressed siblings
handlers    its URLs
"""
