"""`python -m archspec`, which torchrun needs."""

from archspec.cli import main

if __name__ == "__main__":
    main()
