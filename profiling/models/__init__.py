"""Models: architectures, the steps of their layers, and how configurations are read."""
