"""`python -m dashboards`: serve the pages of the home that the settings name."""

import sys

from dashboards.app import serve
from warehouse.guarded import Unguarded
from warehouse.listening import CannotListen
from warehouse.settings import Settings

if __name__ == "__main__":
    try:
        serve(Settings())
    except (Unguarded, CannotListen) as error:
        sys.exit(f"Error: {error}")
