"""The documentation: what it tells people to type works, and the site holds what it promises."""
