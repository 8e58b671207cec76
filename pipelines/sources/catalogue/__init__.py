"""Reading facts that ship."""
