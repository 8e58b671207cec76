-- Models that could run, were they made for so long a context.
SELECT q.*, k.max_position
FROM marts.model_quality AS q JOIN core.architectures AS k ON k.model_id = q.architecture_id
WHERE k.is_timed AND k.max_position < $context
