-- Best model of each maker on one board, and how far it stands behind the leader.
SELECT organization, best_model, licence_class, rating, gap_points, gap_points_lower, gap_points_upper
FROM marts.organisation_gaps
WHERE publication = $publication AND as_of_date = $as_of_date AND arena = $arena AND category = $category
    AND style_control = $style_control
ORDER BY gap_points, organization
