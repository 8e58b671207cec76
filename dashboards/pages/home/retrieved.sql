-- Every stored state of every source, the newest first; without a date where the source says none.
SELECT board, if(is_dated, as_of_date, NULL) AS as_of_date, coverage, rows_loaded, rows_rejected, licence, uri
FROM meta.snapshots
ORDER BY as_of_date DESC NULLS LAST, board, uri
