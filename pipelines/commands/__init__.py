"""Commands of `skyline` that capabilities bring, one module per capability."""
