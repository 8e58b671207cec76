"""One file of a visitor: recognised and read as a refresh would read it, for that visitor alone."""
