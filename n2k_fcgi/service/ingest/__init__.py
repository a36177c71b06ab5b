"""A dump becomes the live generation: the order of the steps, and what is decided on the way.

dumps (bytes -> batches of rows) -> the store's ``GenerationBuild`` (sorted, merged, verified) -> publish
"""
