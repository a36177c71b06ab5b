"""memcached's text protocol on a namespace of the key-value service. ``n2k memcached`` calls ``serve``."""

from n2k_fcgi.servers.memcached.names import Names
from n2k_fcgi.servers.memcached.server import Options, serve

__all__ = ["Names", "Options", "serve"]
