"""A namespace of the key-value service, as programs use it: embedded (``open_keyvalue``) and over HTTP (``client.Client``).

Both have the same methods, return the same values and raise the same errors (``n2k_fcgi.errors``). docs/python.md is the page
for users.
"""
