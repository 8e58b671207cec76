"""What a board's numbers say together, and how sure that is: pure functions over columns, no table is read here."""
