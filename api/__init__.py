"""The HTTP interface: what the command line answers, for programs. Uses all rooms; no other room uses it."""
