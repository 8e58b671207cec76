-- How hard each benchmark is and how sharply it tells models apart.
SELECT source, benchmark, benchmark_version, metric, scaffold, category, response, difficulty, discrimination, models
FROM marts.ability_benchmarks
ORDER BY models DESC, benchmark
