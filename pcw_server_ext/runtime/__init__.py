"""Serves the browser runtime: Pyodide, its packages, the snapshot and the workers.

bundle            the built bundle on disk: manifest, files, precompressed siblings
handlers          its URLs
lock              which packages the whole Pyodide distribution has
sources           where they come from
mirror            fetched once, verified, kept
package_handlers  their URLs
commands          `jupyter pcw runtime`
"""
