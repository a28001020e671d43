"""`python -m echopanel` is the command `echopanel`."""

from __future__ import annotations

from echopanel.cli import main

if __name__ == "__main__":
    main()
