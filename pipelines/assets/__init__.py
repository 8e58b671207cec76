"""Dagster assets, one module per capability: read by contract, call a pure function, write by contract."""
