"""The training step against a plain one written with diffusers' own scheduler."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler
from PIL import Image

from inference.bases import MINI
from inference.model import Model, load
from trainer.dreambooth import DreamBooth, LatentSet, encode
from trainer.spec import Recipe

CPU = torch.device("cpu")
RECIPE = Recipe(learning_rate=1e-3, batch_size=2, prior_weight=0.7, seed=5)


def sets(model: Model) -> tuple[LatentSet, LatentSet]:
    colours = [Image.new("RGB", (96, 96), colour) for colour in ("red", "green", "blue")]
    instance = encode(model, colours, ["photo of abraza person"] * 3)
    return instance, encode(model, colours[::-1], ["photo of a person"] * 3)


def textbook_step(model: Model, recipe: Recipe, instance: LatentSet, prior: LatentSet) -> float:
    """One step as the plain training script does it, drawing the same random numbers in the same order."""
    scheduler = DDPMScheduler.from_config(model.scheduler.config)
    random = torch.Generator().manual_seed(recipe.seed)
    latents, ids = [], []
    for source in (instance, prior):
        index = torch.randint(3, (recipe.batch_size,), generator=random)
        spread = torch.randn(source.mean[index].shape, generator=random)
        latents.append(source.mean[index] + source.deviation[index] * spread)
        ids.append(source.ids[index])
    clean = torch.cat(latents)
    timesteps = torch.randint(scheduler.config.num_train_timesteps, (len(clean),), generator=random)
    noise = torch.randn(clean.shape, generator=random)
    noisy = scheduler.add_noise(clean, noise, timesteps)
    if scheduler.config.prediction_type == "v_prediction":
        target = scheduler.get_velocity(clean, noise, timesteps)
    else:
        target = noise
    model.unet.requires_grad_(True)
    parameters = [*model.unet.parameters(), *model.text_encoder.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=recipe.learning_rate)
    predicted = model.unet(noisy, timesteps, model.text_encoder(torch.cat(ids)).last_hidden_state).sample
    half = recipe.batch_size
    loss = F.mse_loss(predicted[:half], target[:half])
    loss = loss + recipe.prior_weight * F.mse_loss(predicted[half:], target[half:])
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, recipe.max_grad_norm)
    optimizer.step()
    return loss.item()


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_the_step_is_the_textbooks(prediction: str) -> None:
    ours, plain = (load(str(MINI), CPU, torch.float32) for _ in range(2))
    for model in (ours, plain):
        model.scheduler.register_to_config(prediction_type=prediction)
    instance, prior = sets(plain)
    expected = textbook_step(plain, RECIPE, instance, prior)
    dreambooth = DreamBooth(ours, RECIPE, *sets(ours))
    dreambooth.step()
    assert dreambooth.mean_loss() == pytest.approx(expected, rel=1e-4)
    theirs = dict(plain.unet.named_parameters())
    for name, parameter in ours.unet.named_parameters():
        torch.testing.assert_close(parameter, theirs[name], rtol=1e-3, atol=2e-4)


def test_a_frozen_text_encoder_stays_as_it_is() -> None:
    model = load(str(MINI), CPU, torch.float32)
    before = {name: value.clone() for name, value in model.text_encoder.state_dict().items()}
    recipe = RECIPE.model_copy(update={"train_text_encoder": False})
    instance, prior = sets(model)
    dreambooth = DreamBooth(model, recipe, instance, prior)
    dreambooth.step()
    assert all(torch.equal(before[name], value) for name, value in model.text_encoder.state_dict().items())


def test_learning_brings_the_loss_down() -> None:
    model = load(str(MINI), CPU, torch.float32)
    instance, _ = sets(model)
    dreambooth = DreamBooth(model, Recipe(learning_rate=3e-4, batch_size=2), instance, None)
    for _ in range(5):
        dreambooth.step()
    first = dreambooth.mean_loss()
    for _ in range(45):
        dreambooth.step()
    dreambooth.mean_loss()
    for _ in range(10):
        dreambooth.step()
    assert dreambooth.mean_loss() < first
