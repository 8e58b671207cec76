-- Snapshots that have fits of score against size.
SELECT DISTINCT snapshot_id FROM marts.scaling_fits
