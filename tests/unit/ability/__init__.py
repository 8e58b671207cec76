"""The mathematics of ability, on the published matrix of the Epoch Capabilities Index."""
