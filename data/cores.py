"""How the worker processes share a machine's cores."""

import os


def share_cores() -> None:
    """Let waiting compute threads sleep. Call it before torch is imported: its thread pool reads this once.

    Spinning is a little faster on an idle machine; beside another busy process (drawing while a training
    runs on two cores) it made a training step ten times slower.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
