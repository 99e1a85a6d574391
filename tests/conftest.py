"""What every test shares: the machine's cores are few, and nothing is fetched from outside."""

import os

from data.cores import share_cores

share_cores()
os.environ["HF_HUB_OFFLINE"] = "1"
