-- How many models of each source can be chosen, and why the others cannot.
FROM marts.choice_coverage ORDER BY source DESC, models DESC
