"""The noise schedule and its timesteps against diffusers' own."""

import pytest
import torch
from diffusers import DDIMScheduler

from generators.schedule import cosine, trailing


def scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
    )


def test_cosine_schedule_is_the_one_diffusers_computes():
    assert torch.allclose(cosine().alpha ** 2, scheduler().alphas_cumprod.double(), atol=1e-6)


@pytest.mark.parametrize("steps", [1, 4, 10, 25, 30])
def test_trailing_timesteps_are_those_of_diffusers(steps):
    theirs = scheduler()
    theirs.set_timesteps(steps)
    assert trailing(steps) == theirs.timesteps.tolist()


@pytest.mark.parametrize("steps", [0, 1001])
def test_impossible_step_counts_are_refused(steps):
    with pytest.raises(ValueError, match="between 1 and 1000"):
        trailing(steps)
