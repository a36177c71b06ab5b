"""The pages in a real browser, behind a real Apache. A package, so that its fixtures of that scope end with its last test."""
