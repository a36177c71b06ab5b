"""``python -m n2k_fcgi`` is the ``n2k`` command."""

from n2k_fcgi.cli import main

main()
