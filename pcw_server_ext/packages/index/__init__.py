"""The index of wheels that browser kernels install from: the administrator's own, and those of another index."""
