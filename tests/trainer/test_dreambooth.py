"""The training step against a plain one written with diffusers' own scheduler."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr
from PIL import Image
from torch.func import functional_call

from inference.bases import MINI
from inference.model import Model, load
from trainer.checkpoints import CheckpointFile
from trainer.dreambooth import DreamBooth, LatentSet, encode
from trainer.spec import Recipe

CPU = torch.device("cpu")
RECIPE = Recipe(
    learning_rate=1e-3,
    lora_learning_rate=1e-3,
    lora_rank=4,
    lora_alpha=2,
    batch_size=2,
    prior_weight=0.7,
    seed=5,
)


def mini(prediction: str = "epsilon") -> Model:
    model = load(str(MINI), CPU, torch.float32)
    model.scheduler.register_to_config(prediction_type=prediction)
    return model


@pytest.fixture(scope="module")
def sets() -> tuple[LatentSet, LatentSet]:
    """Three photos and three class images, told apart by their order and prompt."""
    model = mini()
    colours = [Image.new("RGB", (48, 48), colour) for colour in ("red", "green", "blue")]
    instance = encode(model, colours, ["photo of abraza person"] * 3)
    return instance, encode(model, colours[::-1], ["photo of a person"] * 3)


class Textbook:
    """A step as the plain training script does it, drawing the same random numbers in the same order."""

    def __init__(self, model: Model, recipe: Recipe, learned: dict[str, torch.Tensor]) -> None:
        """`learned` is what the step under test trains: weights, or LoRA's A and B."""
        self.model = model
        self.recipe = recipe
        self.leaves = {name: value.detach().clone().requires_grad_() for name, value in learned.items()}
        self.optimizer = torch.optim.AdamW([*self.leaves.values()], lr=1e-3)

    def step(self, instance: LatentSet, prior: LatentSet) -> float:
        recipe = self.recipe
        scheduler = DDPMScheduler.from_config(self.model.scheduler.config)
        kind = scheduler.config.prediction_type
        random = torch.Generator().manual_seed(recipe.seed)
        total = 0.0
        for _ in range(recipe.accumulation):
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
            goal = scheduler.get_velocity(clean, noise, timesteps) if kind == "v_prediction" else noise
            context = self.call("text_encoder", torch.cat(ids)).last_hidden_state
            predicted = self.call("unet", noisy, timesteps, context).sample
            losses = torch.stack([((p - g) ** 2).mean() for p, g in zip(predicted, goal, strict=True)])
            if recipe.min_snr_gamma is not None:
                snr = compute_snr(scheduler, timesteps)
                base = snr + 1 if kind == "v_prediction" else snr
                losses = losses * torch.minimum(snr, torch.tensor(recipe.min_snr_gamma)) / base
            half = recipe.batch_size
            loss = losses[:half].mean() + recipe.prior_weight * losses[half:].mean()
            (loss / recipe.accumulation).backward()
            total += loss.item() / recipe.accumulation
        torch.nn.utils.clip_grad_norm_([*self.leaves.values()], recipe.max_grad_norm)
        self.optimizer.step()
        return total

    def call(self, part: str, *inputs: torch.Tensor) -> object:
        """Call the UNet or text encoder with the weights that are in use."""
        module = getattr(self.model, part)
        own = {n.removeprefix(f"{part}."): v for n, v in self.leaves.items() if n.startswith(f"{part}.")}
        if self.recipe.method == "lora":
            scale = self.recipe.lora_alpha / self.recipe.lora_rank
            plain = dict(module.named_parameters())
            layers = {name.split(".lora_")[0] for name in own}
            own = {
                f"{layer}.weight": plain[f"{layer}.weight"].detach()
                + scale * own[f"{layer}.lora_B.default.weight"] @ own[f"{layer}.lora_A.default.weight"]
                for layer in layers
            }
        return functional_call(module, own, inputs)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"min_snr_gamma": 5.0, "accumulation": 2},
        {"method": "lora", "min_snr_gamma": 5.0},
        {"train_text_encoder": False, "gradient_checkpointing": True},
        {"method": "lora", "train_text_encoder": False},
        {"method": "lora", "gradient_checkpointing": True},
    ],
    ids=lambda changes: "+".join(changes) or "plain",
)
def test_the_step_is_the_textbooks(
    changes: dict[str, object], prediction: str, sets: tuple[LatentSet, LatentSet]
) -> None:
    recipe = RECIPE.model_copy(update=changes)
    dreambooth = DreamBooth(mini(prediction), recipe, *sets)
    learned = dict(dreambooth.learned())
    assert any(name.startswith("text_encoder.") for name in learned) == recipe.train_text_encoder
    torch.manual_seed(3)
    for name, weight in learned.items():
        if ".lora_B." in name:  # as after some steps: from nothing, A would have no gradient
            weight.data.normal_(std=0.02)
    textbook = Textbook(mini(prediction), recipe, learned)
    expected = textbook.step(*sets)
    dreambooth.step()
    assert dreambooth.mean_loss() == pytest.approx(expected, rel=1e-4)
    for name, weight in learned.items():
        torch.testing.assert_close(weight, textbook.leaves[name], rtol=1e-3, atol=2e-4)


def test_what_is_not_trained_stays_as_it_is(sets: tuple[LatentSet, LatentSet]) -> None:
    model = mini()
    before = {name: value.clone() for name, value in model.text_encoder.state_dict().items()}
    dreambooth = DreamBooth(model, RECIPE.model_copy(update={"train_text_encoder": False}), *sets)
    dreambooth.step()
    assert all(torch.equal(before[name], value) for name, value in model.text_encoder.state_dict().items())


def test_the_text_encoder_rests_after_its_steps(sets: tuple[LatentSet, LatentSet]) -> None:
    dreambooth = DreamBooth(mini(), RECIPE.model_copy(update={"text_encoder_steps": 1}), *sets)
    name = next(name for name, _ in dreambooth.learned() if name.startswith("text_encoder."))
    states = [dict(dreambooth.learned())[name].detach().clone()]
    for _ in range(2):
        dreambooth.step()
        states.append(dict(dreambooth.learned())[name].detach().clone())
    assert not torch.equal(states[0], states[1])
    assert torch.equal(states[1], states[2])


@pytest.mark.parametrize(
    "changes",
    [
        {"text_encoder_steps": 2, "warmup_steps": 3},
        {"method": "lora", "text_encoder_steps": 3},
        {"method": "lora", "precision": "bf16", "gradient_checkpointing": True, "warmup_steps": 1},
    ],
    ids="+".join,
)
def test_a_checkpoint_goes_on_bit_for_bit(
    changes: dict[str, object], sets: tuple[LatentSet, LatentSet], tmp_path: Path
) -> None:
    recipe = RECIPE.model_copy(update={**changes, "batch_size": 1})
    whole = DreamBooth(mini(), recipe, *sets)
    written: list[int] = []
    checkpoints = CheckpointFile(tmp_path / "checkpoint.pt", written.append)
    for step in range(1, 5):
        whole.step()
        if step == 2:
            checkpoints.save(whole.state())
    checkpoints.wait()
    assert written == [2]
    resumed = DreamBooth(mini(), recipe, *sets)
    resumed.restore(checkpoints.load(CPU))
    while resumed.done < 4:
        resumed.step()
    ours = dict(resumed.learned())
    assert all(torch.equal(ours[name], weight) for name, weight in whole.learned())


def test_a_disk_that_stays_full_is_said_and_one_that_has_room_again_is_forgiven(tmp_path: Path) -> None:
    written: list[int] = []
    checkpoints = CheckpointFile(tmp_path / "checkpoint.pt", written.append)

    def save(step: int, room: bool) -> None:
        if not room:  # the device that is always full stands where it is written first
            (tmp_path / "checkpoint.pt.incoming").symlink_to("/dev/full")
        checkpoints.save({"done": step})
        checkpoints.wait()

    for step in (*range(1, 5), *range(6, 10)):
        save(step, room=False)
        if step == 4:
            save(5, room=True)
    assert written == [5] and checkpoints.step == 5
    with pytest.raises(OSError, match="No space"):
        save(10, room=False)
    assert checkpoints.load(CPU) == {"done": 5}


def test_learning_brings_the_loss_down(sets: tuple[LatentSet, LatentSet]) -> None:
    model = mini()

    def loss(learning_rate: float, steps: int, seed: int) -> float:
        recipe = Recipe(learning_rate=learning_rate, batch_size=2, seed=seed)
        dreambooth = DreamBooth(model, recipe, sets[0], None)
        for _ in range(steps):
            dreambooth.step()
        return dreambooth.mean_loss()

    # The same noise and timesteps before and after: else chance decides.
    before = loss(1e-12, steps=3, seed=1)
    loss(3e-4, steps=12, seed=2)
    after = loss(1e-12, steps=3, seed=1)
    assert after < 0.7 * before
