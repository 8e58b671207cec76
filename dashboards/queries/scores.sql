-- Benchmark scores of one snapshot: as ranked, before normalisation, and their standard errors.
SELECT entry_id, benchmark, score, raw_score * 100 AS raw_score, standard_error
FROM core.benchmark_scores
WHERE snapshot_id = $snapshot_id
ORDER BY benchmark, entry_id
