"""What an error says, for tests that hold its text."""

from collections.abc import Callable
from typing import Any

import pytest


def message(kind: type[Exception], function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """The text of the error that a call raises, which is of this class and of no other below it."""
    with pytest.raises(kind) as caught:
        function(*args, **kwargs)
    assert caught.type is kind
    return str(caught.value)
