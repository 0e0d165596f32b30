"""The process of one trial: `python -m archspec.sweep.trial train …`; it ends when whoever started it does."""

from __future__ import annotations

import os
import signal
import threading


def stop_with_parent() -> None:
    """Ask this process to stop (SIGTERM: it saves a checkpoint) once stdin ends: the starter holds its other end.

    A starter that is killed cannot say goodbye, but the system closes its pipes.
    """

    def wait() -> None:
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    from archspec.cli import main

    stop_with_parent()
    main()
