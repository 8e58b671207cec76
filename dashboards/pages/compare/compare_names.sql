-- Models that can be compared, the official ones by quality first.
SELECT model_id, open_llm_v2_average, is_official_provider
FROM marts.model_quality WHERE open_llm_v2_average IS NOT NULL
ORDER BY coalesce(is_official_provider, false) DESC, open_llm_v2_average DESC, model_id
