-- Boards of one series without a gap, and why: no model on one side, or models of unknown licence above the best open.
WITH board AS (
    SELECT b.as_of_date, b.model, b.rating,
        regexp_replace(lower(replace(coalesce(b.model_key, b.model), '+', 'plus')), '[^a-z0-9]+', '', 'g') AS plain
    FROM core.arena_board AS b
    ANTI JOIN marts.open_vs_proprietary AS g ON g.publication = b.publication AND g.as_of_date = b.as_of_date
        AND g.arena = b.arena AND g.category = b.category AND g.style_control = b.style_control
    WHERE b.publication = $publication AND b.arena = $arena AND b.category = $category
        AND b.style_control = $style_control AND b.rating IS NOT NULL
), named AS (
    SELECT regexp_replace(lower(replace(name, '+', 'plus')), '[^a-z0-9]+', '', 'g') AS plain, min(shown) AS shown
    FROM (
        SELECT model AS name, model AS shown FROM core.model_releases
        UNION ALL SELECT model_key, model FROM core.model_releases WHERE model_key IS NOT NULL
    )
    GROUP BY 1
), classes AS (
    SELECT model, max_by(licence_class, valid_from) AS licence_class FROM core.model_licences GROUP BY model
), known AS (
    SELECT b.as_of_date, b.model, b.rating, l.licence_class,
        max(b.rating) FILTER (l.licence_class <> 'proprietary') OVER (PARTITION BY b.as_of_date) AS best_open_rating
    FROM board AS b
    LEFT JOIN named AS n USING (plain)
    LEFT JOIN classes AS l ON l.model = n.shown
)
SELECT
    as_of_date, count(*) AS models, count(*) FILTER (licence_class <> 'proprietary') AS open_models,
    count(*) FILTER (licence_class = 'proprietary') AS proprietary_models,
    string_agg(model, ', ' ORDER BY rating DESC) FILTER (
        licence_class IS NULL AND (best_open_rating IS NULL OR rating > best_open_rating)
    ) AS undecided
FROM known
GROUP BY as_of_date
ORDER BY as_of_date
