"""What a plugin may ask of the host: lines for the log, and state by key.

Invariant: this module knows nothing of generated bindings. In the component `connect` puts the host's functions behind it; natively
lines are collected and keys live in a dictionary, so tests need nothing else.
"""


class Log:
    """Lines for people, shown by `tidemill plugin logs`. The host drops lines that come too fast."""

    def __init__(self):
        self.lines = []
        self._write = lambda level, text: self.lines.append((level, text))

    def error(self, text):
        """Someone must act."""
        self._write(0, text)

    def warn(self, text):
        """Something is odd."""
        self._write(1, text)

    def info(self, text):
        """Something changed."""
        self._write(2, text)

    def debug(self, text):
        """For the author of the plugin."""
        self._write(3, text)


class Kv:
    """State by key that the host keeps outside of the plugin's memory. Keys and values are bytes; keys belong to a group.

    For calculations only: for state too large for memory, or that must outlive a new version.
    """

    def __init__(self):
        self._store = _Dictionary()

    def get(self, group, key):
        """The value of a key, or None."""
        return self._store.get(group, _bytes(key))

    def set(self, group, key, value):
        self._store.set(group, _bytes(key), _bytes(value))

    def remove(self, group, key):
        self._store.remove(group, _bytes(key))


def _bytes(value):
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(f"keys and values of `kv` are bytes, but got {value!r}; encode it")
    return bytes(value)


class _Dictionary:
    """The store of native tests."""

    def __init__(self):
        self.values = {}

    def get(self, group, key):
        return self.values.get((group, key))

    def set(self, group, key, value):
        self.values[group, key] = value

    def remove(self, group, key):
        self.values.pop((group, key), None)


class _Refusing:
    """The store of aggregations."""

    def get(self, *_):
        raise RuntimeError("an aggregation has no `kv`: it must not carry anything from one window to the next")

    set = remove = get


log = Log()
kv = Kv()


def connect(write_log, store):
    """Uses the host's functions from now on; `store` is None for an aggregation."""
    log._write = write_log
    kv._store = store or _Refusing()


def reset():
    """Forgets what a native test left behind."""
    log.lines.clear()
    kv._store = _Dictionary()
