-- What is known of the chosen models beside their scores: who made them, when, how open, how large, what serving takes.
SELECT * FROM marts.ability_models WHERE list_contains(string_split($models, '|'), model_id)
