"""The mathematics of fronts and efficiency."""
