-- Headline findings, each a sentence computed from the tables, with the page that shows it. A finding without data is left out.
WITH
board AS (
    SELECT * FROM marts.open_vs_proprietary
    WHERE arena = 'text' AND category = 'overall' AND gap_points_lower IS NOT NULL
    ORDER BY as_of_date DESC, style_control LIMIT 1
),
rescored AS (
    SELECT * FROM marts.revision_summary WHERE measure = 'average' AND changed > 0 ORDER BY changed DESC LIMIT 1
),
carbon AS (
    SELECT board, as_of_date, entry_id, max(evaluation_co2_kg) AS kg,
        dense_rank() OVER (PARTITION BY board ORDER BY as_of_date) AS place
    FROM core.leaderboard_entries WHERE evaluation_co2_kg > 0 GROUP BY board, as_of_date, entry_id
),
doubled AS (
    SELECT a.as_of_date AS from_date, b.as_of_date AS to_date, count(*) AS common,
        count(*) FILTER (abs(b.kg / a.kg - 2) < 0.001) AS twice
    FROM carbon AS a JOIN carbon AS b ON a.board = b.board AND a.entry_id = b.entry_id AND b.place = a.place + 1
    GROUP BY ALL HAVING twice > common / 2 ORDER BY to_date DESC LIMIT 1
),
errors AS (
    SELECT min(held_out_mape_pct) AS least, max(held_out_mape_pct) AS most, sum(kernels) AS kernels,
        string_agg(DISTINCT device, ' and ' ORDER BY device) AS devices, list(DISTINCT device) AS names
    FROM marts.calibrations
),
placed AS (
    SELECT source, sum(models) FILTER (is_choosable) AS known, sum(models) AS models
    FROM marts.choice_coverage WHERE source LIKE 'open_llm_v2%' GROUP BY source
)
SELECT 2 AS position, format('open-vs-proprietary?source={}&arena={}&category={}&style={}&date={}', publication, arena, category,
    if(style_control, 'on', 'off'), as_of_date) AS page, format(
    'On the text arena of {} the best open model, {}, was {:.0f} points (95 %: {} to {}) behind {}: it wins {:.0f} % of their '
    'comparisons.', as_of_date, best_open_model, gap_points,
    replace(format('{:.0f}', gap_points_lower), '-', '−'), replace(format('{:.0f}', gap_points_upper), '-', '−'),
    best_proprietary_model, 100 * open_win_probability) AS sentence,
    [best_open_model, best_proprietary_model] AS names
FROM board
UNION ALL
SELECT 4, 'sql?sql=SELECT+*+REPLACE+(round(largest_change,+1)+AS+largest_change)+FROM+marts.revision_summary'
    '+ORDER+BY+changed+DESC', format(
    'Between {} and {} the board re-scored {} of {} averages, by up to {:.1f} points: part of the apparent progress '
    'between snapshots is a change of scoring.', from_date, to_date, changed, common, largest_change), NULL
FROM rescored
UNION ALL
SELECT 5, 'footprint', format(
    'Between {} and {} the CO₂ of evaluation exactly doubled for {} of {} entries: a change in accounting, not in '
    'energy use.', from_date, to_date, twice, common), NULL
FROM doubled
UNION ALL
SELECT 6, 'sql?sql=SELECT+device,+operator_class,+kernels,+sum(kernels)+OVER+()+AS+all_kernels,'
    '+round(held_out_mape_pct,+1)+AS+held_out_mape_pct+FROM+marts.calibrations+ORDER+BY+held_out_mape_pct', format(
    'Kernel times are predicted with a mean error of {:.1f} to {:.1f} % on shapes held out of the fit, on {} ({:,} kernels); '
    'whole passes are fitted to published measurements of engines.', least, most, devices, kernels::BIGINT), names
FROM errors WHERE kernels > 0
UNION ALL
SELECT 7, 'choices', format(
    '{} of {} rated models can be matched to hardware, because their architecture is known; the reason is recorded for '
    'each of the others.', known::BIGINT, models::BIGINT), NULL
FROM placed
ORDER BY position
