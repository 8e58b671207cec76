"""The capability accounts: what became of every file that was retrieved."""
