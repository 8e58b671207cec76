-- Every stored state of every source, the newest first.
SELECT board, as_of_date, coverage, rows_loaded, rows_rejected, licence, uri
FROM meta.snapshots
ORDER BY as_of_date DESC, board, uri
