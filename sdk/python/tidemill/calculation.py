"""Samples in, samples out, with state: filters, soft sensors, alarms.

State is whatever the object holds. The host saves and restores the whole memory of the plugin between calls, so there is nothing to
serialise. It repeats calls after a crash and expects the same results: they may depend on parameters and rows only.
"""


class Calculation:
    """Derive one class from it, in `plugin.py`.

    To let state move into a new version, add both:

    - `save(self, group) -> bytes`: the state of a group, empty when there is none;
    - `load(self, group, state)`: takes it over, after `configure` and before the first rows.
    """

    name = None
    version = None
    inputs = ()
    outputs = ()

    def configure(self, params):
        """Called once. Take parameters from `params` (`Params`); what is left over is refused."""

    def process(self, batch, out):
        """New rows in journal order: some may be older than rows of earlier batches."""
        raise NotImplementedError(f"class {type(self).__name__} needs a method `process(self, batch, out)`")

    def advance(self, watermark, out):
        """The watermark has grown: rows older than it are not expected any more. This is the only timer."""


def is_durable(plugin):
    """Whether a class has both `save` and `load`."""
    has = [callable(getattr(plugin, name, None)) for name in ("save", "load")]
    if has[0] != has[1]:
        raise TypeError(f"class {plugin.__name__}: `save` and `load` belong together, but one is missing")
    return has[0]
