"""The front ends that speak to web servers: FastCGI on flup's classes, plain CGI, and HTTP of our own."""
