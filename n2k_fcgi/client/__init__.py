"""The client of the key-value service over HTTP: ``from n2k_fcgi.client import Client``. It needs the extra ``client`` (httpx).

It imports nothing of the server but values and errors.
"""

try:
    import httpx  # noqa: F401
except ModuleNotFoundError:
    raise ModuleNotFoundError("n2k_fcgi.client needs httpx: install n2k_fcgi with the extra 'client'") from None

from n2k_fcgi.client.namespace import Client

__all__ = ["Client"]
