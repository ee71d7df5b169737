"""`%sql` and its table."""
