"""Serving many users: time of steps that mix prompts and tokens, continuous batching, plans that keep promises."""
