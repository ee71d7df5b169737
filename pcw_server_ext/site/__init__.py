"""Hybrid lite sites, kernel in the browser and compute on Spark: built, served, staged, checked."""
