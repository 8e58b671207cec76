"""Entry point of `python -m profiling.measure` and of the single file `profiling.pyz`."""

from profiling.measure.command import main

if __name__ == "__main__":
    main()
