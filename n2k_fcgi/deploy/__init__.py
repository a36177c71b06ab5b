"""Deploying to a web folder, and removing it: dispatch.fcgi and a block in .htaccess."""
