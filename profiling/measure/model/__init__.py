"""Decoders and encoders in plain torch, from a `config.json`, with random weights or those of a checkpoint."""
