"""Architectures, accelerators, operators, roofline, memory, calibration and measurement."""
