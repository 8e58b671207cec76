"""`python -m api`: serve the interface of the home that the settings name; with `--pages` the dashboards too."""

import sys

from api.serving import serve
from warehouse.files import NotReadable
from warehouse.guarded import Unguarded
from warehouse.listening import CannotListen
from warehouse.settings import Settings

if __name__ == "__main__":
    try:
        serve(Settings(), pages="--pages" in sys.argv[1:])
    except (Unguarded, NotReadable, CannotListen) as error:
        sys.exit(f"Error: {error}")
