"""Packages of the Pyodide distribution that the browser runtime does not hold: found, fetched, kept and served."""
