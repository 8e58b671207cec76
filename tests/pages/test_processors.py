"""The page Processors in a browser: the rows are those of the door, and the address brings the choice back."""

from pathlib import Path

import pytest

from .served_pages import Visit, downloaded

pytestmark = [pytest.mark.page]


def test_processors_of_every_kind_stand_in_one_table_and_the_address_restores_the_load(
    visit: Visit, tmp_path: Path
) -> None:
    page = visit.open("processors?show=energy&batch=8")
    page.get_by_text("is the fastest of").wait_for()
    said = page.get_by_text("is the fastest of").inner_text()
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").first.click()
    download.value.save_as(tmp_path / "processors.csv")
    rows = downloaded((tmp_path / "processors.csv").read_text("utf-8"))
    assert {"CPU", "GPU", "TPU", "NPU"} <= {row["kind"] for row in rows}
    assert said.startswith(rows[0]["accelerator"])
    page.get_by_role("button", name="Cost").click()
    page.wait_for_function("location.search.includes('show=cost')")
    page.get_by_text("Cost of a million tokens").first.wait_for()
    assert "batch=8" in visit.address()
    assert visit.errors == []
