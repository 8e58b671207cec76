"""Inference engines as an input of time: what each adds to the kernels of a pass, fitted to published measurements."""
