-- Where the one series changes publication, method or level, and by how much the models on both boards moved there.
SELECT before_publication, before_date, after_publication, after_date, common_models, shift_points,
    shift_standard_error, reason
FROM marts.arena_series_links
WHERE arena = $arena AND category = $category AND series = 'as shown' AND is_break
ORDER BY after_date
