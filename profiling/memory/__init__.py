"""Memory: what a model needs of each device, and how many devices hold it."""
