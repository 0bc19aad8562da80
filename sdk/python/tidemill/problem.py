"""Why a call could not do what it was asked for.

A `Problem` is an answer: nothing of the batch is emitted, and people read the text in the operator's status. Every other exception
is a mistake in the plugin: the host drops the instance, restores its last image and tries again.
"""


class Problem(Exception):
    """Raise it from `configure`, `process`, `advance`, `aggregate` or `load`. Texts are lower-case and say what to do."""

    PARAMETER = 1
    CONTRACT = 2
    OWN = 100

    def __init__(self, text, code=OWN):
        super().__init__(text)
        self.text = text
        self.code = code

    @classmethod
    def parameter(cls, name, reason):
        """Parameter `name` is wrong because of `reason`."""
        return cls(f"parameter `{name}` {reason}", cls.PARAMETER)

    def __str__(self):
        return f"{self.text} (code {self.code})"
