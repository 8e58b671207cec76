"""What a page weighs on the wire: cold, and again with what the browser kept."""

import zlib

import pytest
from playwright.sync_api import BrowserContext

from .served_pages import Served, visiting

pytestmark = [pytest.mark.page]

COLD_BYTES, WARM_BYTES = 1_200_000, 60_000


@pytest.mark.slow
def test_a_page_weighs_little_and_next_to_nothing_the_second_time(browser: BrowserContext, served: Served) -> None:
    weights: list[float] = []
    for visit in visiting(browser, served.url, is_new=True):
        measure = visit.page.context.new_cdp_session(visit.page)
        measure.send("Network.enable")
        measure.on("Network.loadingFinished", lambda event: weights.append(event["encodedDataLength"]))
        # What a websocket brings is compressed on the way, which the browser does not say.
        measure.on(
            "Network.webSocketFrameReceived",
            lambda event: weights.append(len(zlib.compress(event["response"]["payloadData"].encode()))),
        )
        found = []
        for _ in range(2):
            weights.clear()
            visit.open("leaderboard")
            visit.page.wait_for_load_state("networkidle")
            found.append(sum(weights))
        cold, warm = found
        assert cold <= COLD_BYTES
        assert warm <= WARM_BYTES
