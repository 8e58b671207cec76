"""Tests of measured profiling."""
