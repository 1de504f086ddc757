"""Models of tables: fitting them, scoring them, and comparing them with saying nothing."""
