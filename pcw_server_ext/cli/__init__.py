"""`jupyter pcw`: one module a subcommand."""
