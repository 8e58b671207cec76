-- Everything known of the chosen models.
FROM marts.model_quality WHERE list_contains(string_split($models, '|'), model_id)
