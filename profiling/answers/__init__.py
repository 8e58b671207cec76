"""The one door: a question about a model on a device under a load, and its answer."""
