-- Every model that a board of today rates, with the architecture that it runs as.
WITH
latest AS (
    SELECT board, snapshot_id, as_of_date FROM raw.leaderboard_snapshots
    WHERE coverage IN ('full', 'reference')
    QUALIFY row_number() OVER (PARTITION BY board ORDER BY as_of_date DESC, snapshot_id) = 1
),
-- A model may have been submitted in several formats and revisions: its best whole evaluation counts.
entries AS (
    SELECT e.* FROM core.leaderboard_entries AS e SEMI JOIN latest USING (snapshot_id)
    WHERE e.average IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY e.board, e.model_id ORDER BY e.average DESC, e.entry_id) = 1
),
scores AS (
    SELECT s.model_id,
        max(s.score) FILTER (s.benchmark = 'IFEval') AS ifeval,
        max(s.score) FILTER (s.benchmark = 'BBH') AS bbh,
        max(s.score) FILTER (s.benchmark = 'MATH Lvl 5') AS math_lvl_5,
        max(s.score) FILTER (s.benchmark = 'GPQA') AS gpqa,
        max(s.score) FILTER (s.benchmark = 'MUSR') AS musr,
        max(s.score) FILTER (s.benchmark = 'MMLU-PRO') AS mmlu_pro,
        max(s.score) FILTER (s.benchmark = 'ARC') AS arc,
        max(s.score) FILTER (s.benchmark = 'HellaSwag') AS hellaswag,
        max(s.score) FILTER (s.benchmark = 'MMLU') AS mmlu,
        max(s.score) FILTER (s.benchmark = 'TruthfulQA') AS truthfulqa,
        max(s.score) FILTER (s.benchmark = 'Winogrande') AS winogrande,
        max(s.score) FILTER (s.benchmark = 'GSM8K') AS gsm8k
    FROM core.benchmark_scores AS s SEMI JOIN entries USING (snapshot_id, entry_id)
    GROUP BY s.model_id
),
arena_rows AS (
    SELECT model, rating, rating_lower, rating_upper, as_of_date,
        publication || CASE WHEN style_control THEN ', style controlled' ELSE '' END AS arena_board
    FROM core.arena_board
    WHERE arena = 'text' AND category = 'overall' AND rating IS NOT NULL
    UNION ALL
    SELECT model, rating, rating_lower, rating_upper, as_of_date, 'published ratings'
    FROM core.arena_published_ratings
),
-- Boards cut off at the top hold hardly any open model: the newest of the broad ones, as broad as there are.
arena_chosen AS (
    SELECT arena_board, as_of_date FROM arena_rows
    GROUP BY arena_board, as_of_date
    ORDER BY least(count(*), 200) DESC, as_of_date DESC, arena_board LIMIT 1
),
-- One model may be listed twice there, served in two ways; the better one is what its weights can do.
arena AS (
    SELECT i.model_id, i.architecture_id, i.rule, a.*
    FROM arena_rows AS a SEMI JOIN arena_chosen USING (arena_board, as_of_date)
    JOIN core.arena_identities AS i USING (model)
    WHERE i.model_id IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY i.model_id ORDER BY a.rating DESC, a.model) = 1
),
-- Judged open models whose shapes are known, in the mode that speaks for them.
rated AS (
    SELECT model_id, p.architecture_id, a.ability, a.ability_low, a.ability_high, a.as_of_date AS ability_as_of_date,
        a.evidence_class AS ability_evidence_class, m.licence, m.release_date, m.parameters_total, m.parameters_active
    FROM marts.ability AS a
    JOIN (SELECT DISTINCT model_id, architecture_id FROM marts.ability_by_precision) AS p USING (model_id)
    JOIN marts.ability_models AS m USING (model_id)
    WHERE a.is_headline AND a.domain = 'overall' AND a.evidence_class <> 'prior'
),
-- Whom a board calls an official provider is one for models too that it does not list.
official AS (
    SELECT DISTINCT split_part(model_id, '/', 1) AS account FROM core.leaderboard_entries WHERE is_official_provider
),
named AS (SELECT model_id FROM entries UNION SELECT model_id FROM arena UNION SELECT model_id FROM rated),
joined AS (
    SELECT
        n.model_id,
        m.model_type,
        coalesce(m.licence, k.licence, r.licence) AS licence,
        coalesce(v2.is_on_hub, v1.is_on_hub) AS is_on_hub,
        coalesce(v2.is_flagged, false) OR coalesce(v1.is_flagged, false) AS is_flagged,
        m.is_merged,
        coalesce(
            v2.is_official_provider, v1.is_official_provider, split_part(n.model_id, '/', 1) IN (FROM official)
        ) AS is_official_provider,
        coalesce(k.release_date, m.uploaded_on, m.first_submitted_on, r.release_date) AS release_date,
        CASE WHEN k.release_date IS NOT NULL THEN 'catalogue' WHEN m.uploaded_on IS NOT NULL THEN 'upload to the hub'
             WHEN m.first_submitted_on IS NOT NULL THEN 'first submission'
             WHEN r.release_date IS NOT NULL THEN 'a board or list of models' END AS release_basis,
        coalesce(k.parameters_total, m.parameters_total, d.parameters_total, r.parameters_total) AS parameters_total,
        coalesce(k.parameters_active, m.parameters_active, d.parameters_active, r.parameters_active) AS parameters_active,
        r.ability,
        r.ability_low,
        r.ability_high,
        r.ability_as_of_date,
        r.ability_evidence_class,
        v2.average AS open_llm_v2_average,
        v2.average_standard_error AS open_llm_v2_standard_error,
        v2.as_of_date AS open_llm_v2_as_of_date,
        v2.precision AS open_llm_v2_precision,
        v1.average AS open_llm_v1_average,
        v1.average_standard_error AS open_llm_v1_standard_error,
        v1.as_of_date AS open_llm_v1_as_of_date,
        v1.precision AS open_llm_v1_precision,
        s.* EXCLUDE (model_id),
        a.rating AS arena_rating,
        a.rating_lower AS arena_rating_lower,
        a.rating_upper AS arena_rating_upper,
        a.model AS arena_model,
        a.arena_board,
        a.as_of_date AS arena_as_of_date,
        a.rule AS arena_rule,
        coalesce(l.architecture_id, k.model_id, d.model_id, r.architecture_id) AS architecture_id,
        CASE WHEN l.link IS NOT NULL THEN l.link WHEN k.model_id IS NOT NULL THEN 'itself'
             WHEN d.model_id IS NOT NULL THEN 'declared'
             WHEN r.architecture_id IS NOT NULL THEN 'same_shapes' END AS architecture_link,
        CASE WHEN l.link IS NOT NULL THEN l.evidence WHEN k.model_id IS NOT NULL THEN 'its own configuration'
             WHEN d.model_id IS NOT NULL THEN 'declared with its arena name: architecture of ' || d.model_id
             WHEN r.architecture_id IS NOT NULL THEN 'it has the shapes of ' || r.architecture_id
        END AS architecture_evidence
    FROM named AS n
    LEFT JOIN core.models AS m ON m.model_id = n.model_id
    LEFT JOIN entries AS v2 ON v2.model_id = n.model_id AND v2.board = 'open_llm_v2'
    LEFT JOIN entries AS v1 ON v1.model_id = n.model_id AND v1.board = 'open_llm_v1'
    LEFT JOIN scores AS s ON s.model_id = n.model_id
    LEFT JOIN arena AS a ON a.model_id = n.model_id
    LEFT JOIN rated AS r ON r.model_id = n.model_id
    LEFT JOIN core.model_architectures AS l ON l.model_id = n.model_id
    LEFT JOIN core.architectures AS k ON k.model_id = n.model_id
    LEFT JOIN core.architectures AS d ON d.model_id = a.architecture_id
)
SELECT *,
    CASE
        WHEN licence IS NULL THEN NULL
        WHEN lower(licence) LIKE '%-nc%' OR lower(licence) LIKE '%-nd%' THEN 'restricted'
        WHEN regexp_matches(lower(licence), '^(apache|mit$|bsd|cc0|cc-by-[0-9]|cc-by-sa-|a?l?gpl|unlicense|wtfpl|afl-|artistic-|ms-pl|osl-)')
            THEN 'open_source'
        ELSE 'open_weights'
    END AS licence_class
FROM joined
ORDER BY ALL
