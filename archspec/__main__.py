"""The `archspec` program, also as `python -m archspec`, which torchrun needs.

The first thing it does is to end quietly on Ctrl-C: while the rest is being imported, Python would print a traceback.
"""

import _signal as signal  # type: ignore[import-not-found]  # what `signal` wraps, which would import enum first
import gc
import os
import sys


def _interrupted(*_: object) -> None:
    try:
        os.write(2, b"interrupted\n")
    finally:
        os._exit(130)


def main() -> None:
    """Run the command line, and exit."""
    gc.disable()  # a cold start frees no objects; collection would take a twelfth of the time of `validate`
    from archspec.cli import run_program

    if signal.getsignal(signal.SIGINT) is _interrupted:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 1
    try:
        code = run_program()
    finally:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing is left to do that a traceback would help with
    sys.exit(code)


if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored, as under nohup
    signal.signal(signal.SIGINT, _interrupted)
if __name__ == "__main__":
    main()
