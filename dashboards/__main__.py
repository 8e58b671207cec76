"""`python -m dashboards`: serve the pages of the home that the settings name."""

from dashboards.app import serve
from warehouse.settings import Settings

if __name__ == "__main__":
    serve(Settings())
