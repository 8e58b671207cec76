"""`python -m dashboards.site FOLDER [PAGE or model/NAME or device/NAME …]`: write the static copy of a home."""

import sys
from pathlib import Path

from dashboards.pages import PAGES, SUBJECTS
from dashboards.site.write import write
from warehouse.publish import NotPublished
from warehouse.settings import Settings

if __name__ == "__main__":
    chosen = sys.argv[2:]
    pages = [page for page in (*PAGES, *SUBJECTS) if not chosen or page.name in chosen]
    named = [address for address in chosen if "/" in address] if chosen else None
    try:
        done = write(Path(sys.argv[1]), Settings(), pages, named)
    except (NotPublished, OSError) as error:
        sys.exit(f"Error: {error}")
    for line in done.left_out:
        print(f"Left out: {line}", file=sys.stderr)
    print(f"{done.pages} pages, {done.charts} charts and {done.tables} tables in {done.folder}")
