-- Every number of clusters that was tried, judged.
SELECT clusters, silhouette, null_silhouette, stability, is_valid, is_chosen, verdict, entries
FROM marts.cluster_choices
WHERE snapshot_id = $snapshot_id
ORDER BY clusters
