"""Examinations of the data and its host that both ``n2k doctor`` and the status page make; the doctor makes more."""
