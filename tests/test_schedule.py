"""The noise schedule and the sampler against diffusers' own."""

import pytest
import torch
from diffusers import DDIMScheduler

from generators.guidance import guided
from generators.samplers import ddim
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


def velocity(latent: torch.Tensor, timestep: int) -> torch.Tensor:
    return torch.sin(3 * latent) * (0.5 + timestep / 1000)


def test_ddim_walks_where_diffusers_walks():
    schedule, theirs = cosine(), scheduler()
    noise = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))

    def denoise(latent: torch.Tensor, timestep: int) -> torch.Tensor:
        alpha, sigma = schedule.alpha[timestep].item(), schedule.sigma[timestep].item()
        return alpha * latent - sigma * velocity(latent, timestep)

    theirs.set_timesteps(10)
    latent = noise
    for timestep in theirs.timesteps:
        latent = theirs.step(velocity(latent, int(timestep)), timestep, latent).prev_sample
    assert torch.allclose(ddim(denoise, noise, schedule, trailing(10)), latent, atol=1e-5)


def test_guidance_one_never_asks_the_unconditional_branch():
    def never(latent: torch.Tensor, timestep: int) -> torch.Tensor:
        raise AssertionError("the unconditional branch ran")

    with_text = lambda latent, timestep: latent + 1  # noqa: E731
    assert guided(with_text, never, 1)(torch.zeros(1), 0).item() == 1


def test_guidance_extrapolates_from_the_unconditional_answer():
    denoise = guided(lambda latent, t: latent + 2, lambda latent, t: latent + 1, 3.0)
    assert denoise(torch.zeros(1), 0).item() == 4
