"""The browser's side of installing: bridge, page and wheels of a kernel worker."""
