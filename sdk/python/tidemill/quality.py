"""Quality of a sample: the raw OPC UA StatusCode (OPC UA Part 4, 7.39), a plain whole number as the host stores it.

The two top bits are the severity: 00 good, 01 uncertain, 10 and 11 bad.
"""

GOOD = 0
UNCERTAIN = 0x4000_0000
BAD = 0x8000_0000


def is_good(quality):
    return quality < UNCERTAIN


def is_uncertain(quality):
    return UNCERTAIN <= quality < BAD


def is_bad(quality):
    return quality >= BAD


def worst(first, second):
    """The one with the worse severity; `first` when they are equally severe."""
    return second if min(second >> 30, 2) > min(first >> 30, 2) else first
