"""Assembles the browser runtime: Pyodide, wheels, precompiled packages and a memory snapshot, from pinned sources."""
