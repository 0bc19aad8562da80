"""State per group.

The host numbers groups from 0 in order of first appearance and keeps the numbers. `groups[number]` is the state of a group, made on
first use.
"""


class Groups(dict):
    """`Groups(State)` calls `State()` for every new group."""

    def __init__(self, new):
        super().__init__()
        self._new = new

    def __missing__(self, group):
        state = self[group] = self._new()
        return state

    def in_order(self):
        """Pairs of group and state by the number of the group: the order in which timers should look at them."""
        return sorted(self.items(), key=_number)


def _number(item):
    return item[0]
