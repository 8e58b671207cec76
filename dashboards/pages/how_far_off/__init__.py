"""The page how_far_off."""
