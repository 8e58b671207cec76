SELECT provider, provider_kind, model_as_listed, usd_per_million_input, usd_per_million_output,
    usd_per_million_cached_input, context_length, as_of_date,
    current_date - as_of_date AS age_days, bundled_as_of_date, source, note
FROM core.api_prices
WHERE hf_model_id = $model_id AND is_newest_for_provider AND NOT is_retired
ORDER BY usd_per_million_output NULLS LAST, provider
