"""Sends numbered events with fluent-logger, in Message mode.

Usage: send.py PORT TAG COUNT seconds|nanoseconds [queue]

With `queue` through the library's sender that has a thread and a queue. It knows neither acknowledgements nor TLS nor keys.
"""

import sys

from fluent import asyncsender
from fluent.sender import EventTime, FluentSender

FIRST_SECOND = 1_700_000_000


def main():
    port, tag, count, precision = sys.argv[1:5]
    kind = asyncsender.FluentSender if sys.argv[5:] == ["queue"] else FluentSender
    sender = kind(
        tag,
        host="127.0.0.1",
        port=int(port),
        nanosecond_precision=precision == "nanoseconds",
    )
    for n in range(int(count)):
        time = FIRST_SECOND + n
        if precision == "nanoseconds":
            time = EventTime(time, 123456789)
        record = {"n": n, "text": "Mühle", "nested": {"list": [1, None, True, 2.5, -7]}}
        if not sender.emit_with_time("", time, record):
            sys.exit(f"event {n} was not sent: {sender.last_error}")
    sender.close()


main()
