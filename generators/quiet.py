"""Loading without the libraries' own progress bars: a run has one bar, and it is ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def without_loading_bars() -> Iterator[None]:
    """Switch the bars of diffusers and transformers off while it lasts; a caller's own setting comes back."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    with ExitStack() as later:
        for logging in (diffusers_logging, transformers_logging):
            if logging.is_progress_bar_enabled():
                logging.disable_progress_bar()
                later.callback(logging.enable_progress_bar)
        yield
