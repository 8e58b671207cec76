"""Votes, ratings, boards and the race of open and proprietary models."""
