"""Deploying to a web folder, as one of several kinds, and removing it: files of the kind, and a block in .htaccess."""
