"""Fronts: dominance, hypervolume, history, and what stands on and behind them."""
