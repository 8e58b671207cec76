"""The capability calibration: measured kernels, and the laws of time fitted to them."""
