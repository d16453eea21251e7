"""What the bench has its workers do: double a number, which may be repeated; or pay one, which may not.

    python3 ledger.py SDK_FOLDER PAID_FILE

A payment is a line in PAID_FILE, so that one that was made twice can be found there.
"""

import os
import sys

sys.path.insert(0, sys.argv[1])

from usher_worker import Worker  # noqa: E402

paid = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def double(job):
    return str(2 * int(job.body))


def pay(job):
    os.write(paid, f"{int(job.body)}\n".encode())
    return job.body


worker = Worker("ledger")
worker.work("double", double)
worker.work("pay", pay)
worker.run()
