"""Tab: names of tables, columns, functions and attributes."""
