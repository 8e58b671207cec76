"""Tests of serving many users."""
