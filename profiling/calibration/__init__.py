"""Calibration: laws of kernel time fitted to measurements, with held-out errors."""
