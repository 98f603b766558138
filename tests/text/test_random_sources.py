"""Generators, counts and settings that drawing tokens takes or refuses, before anything is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinytensor as tt
from tinytensor.models import GPT
from tinytensor.text import Vocabulary, batches, sample
from tinytensor.text.sampling import draw

LOGITS = np.array([[1.0, 3.0, 2.0]], np.float32)
BAD = [True, 3.0, "a", None, np.array(3), np.random.default_rng(0)]


@pytest.mark.parametrize("rng", BAD, ids=lambda rng: type(rng).__name__)
def test_what_is_no_generator_is_named_before_the_first_token(rng: Any) -> None:
    for caller, call in {"draw": lambda: draw(LOGITS, rng), "batches": lambda: batches(LOGITS, LOGITS, 1, rng),
                         "sample": lambda: sample(lambda ids: LOGITS, Vocabulary(".ab"), 2, rng),
                         "generate": lambda: GPT(3, 4, 4, 1, 1, rng=0).generate([[0]], 1, rng)}.items():
        with pytest.raises(TypeError, match=rf"^{caller}: got \w+ as rng; expected a Generator of tinytensor or an"):
            call()


def test_greedy_decoding_needs_no_generator() -> None:
    assert draw(LOGITS, None, temperature=0).tolist() == [1]  # type: ignore[arg-type]
    assert len(list(GPT(3, 4, 4, 1, 1, rng=0).generate([[0]], 2, None, temperature=0))) == 2  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [-1, 2.0, True, "3"])
def test_count_is_checked_before_the_first_token(count: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="generate: got count="):
        GPT(3, 4, 4, 1, 1, rng=0).generate([[0]], count, 0)


@pytest.mark.parametrize("settings", [{"temperature": "a"}, {"temperature": None}, {"top_p": "x"}, {"top_k": True}])
def test_settings_of_another_type(settings: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=r"draw: got \w+ .*; expected a"):
        draw(LOGITS, 0, **settings)


def test_half_precision_is_drawn_in_single() -> None:
    assert np.array_equal(draw(LOGITS.astype(np.float16), 5), draw(LOGITS, 5))
    half = LOGITS.astype(np.float16)
    assert sample(lambda ids: half, Vocabulary(".ab"), 2, 5) == sample(lambda ids: LOGITS, Vocabulary(".ab"), 2, 5)


def test_minibatches_take_pytorchs_name_for_the_generator_and_no_bool_as_size() -> None:
    x = np.arange(10)
    ours, theirs = (tt.Minibatches(x, batch_size=4, **{name: 0}) for name in ("rng", "generator"))
    assert [a.tolist() for a in ours] == [b.tolist() for b in theirs]
    with pytest.raises(TypeError, match="batch_size: got True; expected an int"):
        tt.Minibatches(x, batch_size=True)
