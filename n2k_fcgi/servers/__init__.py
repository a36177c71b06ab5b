"""The front ends: protocols on one loop (``fastcgi/``), plain CGI, and standalone HTTP."""
