-- Snapshots of which the benchmarks were taken apart together.
SELECT DISTINCT snapshot_id FROM marts.capability_scores
