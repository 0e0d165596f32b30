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


def _send_again(lost: "sys.UnraisableHookArgs") -> None:
    """Send Ctrl-C once more if Python dropped it, as in the callback of a weak reference; imports have some."""
    if lost.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(lost)
        return
    import _thread
    import time

    def send() -> None:
        time.sleep(0.01)  # here and now it would be dropped again
        os.kill(os.getpid(), signal.SIGINT)

    _thread.start_new_thread(send, ())


def main() -> None:
    """Run the command line, and exit."""
    gc.disable()  # a cold start frees no objects; collection would take a twelfth of the time of `validate`
    from archspec.cli import run_program

    if signal.getsignal(signal.SIGINT) is _interrupted:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.unraisablehook = _send_again
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
