"""Devices: peaks, bandwidth, memory and links, each figure with its source."""
