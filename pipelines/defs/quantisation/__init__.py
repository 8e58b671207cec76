"""The capability quantisation: what stored formats cost in quality."""
