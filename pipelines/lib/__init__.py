"""What all capabilities share: assets made from contracts, and the resources of Dagster."""
