"""`python -m dashboards`: serve the pages of the home that the settings name."""

import sys

from dashboards.app import serve
from warehouse.guarded import Unguarded
from warehouse.settings import Settings

if __name__ == "__main__":
    settings = Settings()
    try:
        serve(settings)
    except Unguarded as error:
        sys.exit(f"Error: {error}")
    except OSError as error:
        where = f"{settings.address}:{settings.port}"
        sys.exit(f"Error: the pages cannot be served at {where}: {error.strerror}. Name another --port or --address.")
