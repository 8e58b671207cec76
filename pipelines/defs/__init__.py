"""One folder per capability: its assets, the tables they make, and the checks that guard them."""
