"""``n2k``, and ``python -m n2k_fcgi``."""

from n2k_fcgi.start import run


def main() -> None:
    """The command."""
    run("n2k_fcgi.cli")


if __name__ == "__main__":
    main()
