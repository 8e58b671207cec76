"""What the log of the pages keeps."""

import asyncio
import logging

import pytest
from tornado.websocket import WebSocketClosedError

from dashboards.serving import is_no_visitor_who_left


@pytest.mark.parametrize(("error", "count"), [(WebSocketClosedError(), 0), (ValueError("a fault of ours"), 1)])
def test_an_answer_to_who_left_is_no_error_and_every_other_is(
    error: Exception, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    log = logging.getLogger("asyncio")
    log.addFilter(is_no_visitor_who_left)
    loop = asyncio.new_event_loop()
    try:
        loop.call_exception_handler({"message": "Task exception was never retrieved", "exception": error})
    finally:
        loop.close()
        log.removeFilter(is_no_visitor_who_left)
    assert len(caplog.records) == count
