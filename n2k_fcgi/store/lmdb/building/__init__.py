"""Building generations: batches are sorted on disk, merged with the previous generation, and appended."""
