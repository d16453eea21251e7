"""A worker for tests that is made with the SDK: it prints what it is given, and says which process it is."""
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "sdk"))
from usher_worker import Worker  # noqa: E402


def say(job):
    print(job.body.decode())
    return str(os.getpid())


Worker("prints").work("print", say).run()
