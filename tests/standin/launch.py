"""`python -m bot` for a Discord that is elsewhere: `python -m tests.standin.launch API GATEWAY ARGUMENTS`."""

from __future__ import annotations

import sys

import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.__main__ import main

if __name__ == "__main__":
    _, Route.BASE, gateway, *arguments = sys.argv
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
    sys.exit(main(arguments))
