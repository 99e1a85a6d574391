"""What every test shares: the machine's cores are few, and nothing is fetched from outside.

Two tests run at once, so each one's processes compute with one thread.
"""

import os

from data.cores import share_cores

share_cores()
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
