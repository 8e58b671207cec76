-- Sixteen chat models and two variants against non-embedding parameters, and the line through the sixteen.
SELECT * FROM marts.non_embedding_trend ORDER BY average DESC, label
