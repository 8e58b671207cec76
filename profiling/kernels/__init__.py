"""Kernels of inference engines: public measurements of every kind, and calibrations per engine and device."""
