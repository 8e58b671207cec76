"""Figures: each module turns frames into one kind of chart, built once, its data swapped."""
