"""Measuring models on the device at hand; needs the standard library, torch, and optionally nvidia-ml-py."""
