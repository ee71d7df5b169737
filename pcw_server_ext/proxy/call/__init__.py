"""One call: its request checked, its answer relayed, its metadata filtered."""
