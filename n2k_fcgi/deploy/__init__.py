"""What is put into a web root, and taken away again: dispatch.fcgi and a block in .htaccess."""
