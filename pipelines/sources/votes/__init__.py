"""Reading pairwise votes."""
