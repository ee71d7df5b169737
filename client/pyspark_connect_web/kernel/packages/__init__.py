"""Packages that the kernel can load while it runs."""
