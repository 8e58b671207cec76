"""Reading bundles of measurements."""
