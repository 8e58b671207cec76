"""Quantiles of the standard normal distribution: how many standard errors lie on either side of an interval."""

TWO_SIDED_95 = 1.959963984540054
"""Φ⁻¹(0.975)."""
TWO_SIDED_90 = 1.6448536269514722
"""Φ⁻¹(0.95)."""
TWO_SIDED_80 = 1.2815515655446004
"""Φ⁻¹(0.9)."""
