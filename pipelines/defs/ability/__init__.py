"""Ability: every judged model on one scale."""
