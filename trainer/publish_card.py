"""The model card of a published model: what it is, how it was made, how to use it. No torch."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from inference.bases import BASES, resolve
from inference.errors import ModelError
from trainer.publish_files import LORA

_LICENCES = {
    "mini": "apache-2.0",
    "sd15": "creativeml-openrail-m",
    "sd21-base": "openrail++",
    "sd21": "openrail++",
}
_UNSAID = ("sample_prompt", "sample_prompts")
"""Parts of a recipe that say nothing about the weights."""


class SampleFact(BaseModel):
    """A picture that goes with the model. `path` is a PNG file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    path: Path
    prompt: str


class Facts(BaseModel):
    """All that a card tells of a model."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    class_name: str
    base: str
    method: Literal["full", "lora"] = "full"
    photos: int | None = None
    recipe: dict[str, Any] = {}
    samples: tuple[SampleFact, ...] = ()

    @property
    def trigger(self) -> str:
        """What a prompt says to mean this subject."""
        return f"{self.name} {self.class_name}"

    @property
    def slug(self) -> str:
        """The name as a file may bear it."""
        return re.sub(r"[^A-Za-z0-9_-]+", "-", self.name).strip("-") or "model"


def model_card(facts: Facts, repo: str, files: Collection[str]) -> str:
    """`README.md` of repository `repo`, which holds `files` beside it."""
    pictures = "".join(
        f"| ![sample {number}](samples/{number}.png) | {_code(sample.prompt)} |\n"
        for number, sample in enumerate(facts.samples)
    )
    recipe = "".join(
        f"| {name.replace('_', ' ')} | {_code(value)} |\n"
        for name, value in facts.recipe.items()
        if name not in _UNSAID and value not in (None, "", [], ())
    )
    draw = f"pipeline({json.dumps(f'oil painting of {facts.trigger}')})"
    single = f"{facts.slug}.safetensors"
    parts = [
        f"---\n{_front_matter(facts)}---\n",
        f"# {facts.name}\n\nA Stable Diffusion model that knows **{facts.trigger}**. "
        f"It was fine-tuned from {_base(facts)} with DreamBooth"
        f"{' (LoRA, merged)' if facts.method == 'lora' else ''}"
        f"{f' on {facts.photos} photos' if facts.photos else ''}.\n\n"
        f"Say `{facts.trigger}` in a prompt to mean this subject, as in `photo of {facts.trigger}`.\n",
        f"## Samples\n\n| Picture | Prompt |\n|---|---|\n{pictures}" if pictures else "",
        "## How to use it\n",
        _snippet(json.dumps(repo), f'{draw}.images[0].save("picture.png")'),
        _lora(facts, repo) if LORA in files else "",
        f"Other interfaces for Stable Diffusion take `{single}`, the whole model in the original format, in "
        "half precision.\n"
        if single in files
        else "",
        f"## How it was made\n\n| Recipe | |\n|---|---|\n{recipe}" if recipe else "",
        "Please draw a person only with that person's consent.\n",
    ]
    return "\n".join(part for part in parts if part)


def _lora(facts: Facts, repo: str) -> str:
    base = json.dumps(_hub_id(facts) or "the folder of its base")
    return (
        f"`{LORA}` is the LoRA alone. Other interfaces take it, too: its names are kohya's. It goes onto the "
        "base, not onto the pipeline above, which has it in it already:\n\n"
        + _snippet(base, f"pipeline.load_lora_weights({json.dumps(repo)}, weight_name={json.dumps(LORA)})")
    )


def _snippet(model: str, use: str) -> str:
    """Python that loads `model` and uses it; both are written as code."""
    return (
        "```python\nimport torch\nfrom diffusers import StableDiffusionPipeline\n\n"
        f"pipeline = StableDiffusionPipeline.from_pretrained({model}, torch_dtype=torch.float16)\n"
        f'pipeline.to("cuda")\n{use}\n```\n'
    )


def _front_matter(facts: Facts) -> str:
    """The metadata, as YAML. Strings are written as JSON, which YAML reads too."""
    tags = ["stable-diffusion", "stable-diffusion-diffusers", "text-to-image", "diffusers", "dreambooth"]
    widget = [
        {"text": sample.prompt, "output": {"url": f"samples/{number}.png"}}
        for number, sample in enumerate(facts.samples)
    ]
    relation = "adapter" if facts.method == "lora" else "finetune"
    values: dict[str, object] = {
        "license": _LICENCES.get(_alias(facts), "other"),
        "library_name": "diffusers",
        "pipeline_tag": "text-to-image",
        "base_model": _hub_id(facts),
        "base_model_relation": relation if _hub_id(facts) else None,
        "instance_prompt": f"photo of {facts.trigger}",
        "tags": tags + (["lora"] if facts.method == "lora" else []),
        "widget": widget or [{"text": f"photo of {facts.trigger}"}],
    }
    return "".join(
        f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items() if value
    )


def _alias(facts: Facts) -> str:
    """The short name of a known base, else an empty one."""
    try:
        alias = resolve(facts.base).alias
    except ModelError:
        return ""
    return alias if alias in BASES else ""


def _hub_id(facts: Facts) -> str | None:
    """The base's repository on the Hub; None for a folder, whose path is nobody's business."""
    source = BASES[_alias(facts)].source if _alias(facts) else facts.base
    is_id = re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]+", source) and not Path(source).exists()
    return source if is_id else None


def _base(facts: Facts) -> str:
    known = _alias(facts)
    if repo := _hub_id(facts):
        return f"[{repo}](https://huggingface.co/{repo})"
    return BASES[known].title if known else "a base of its maker's own"


def _code(value: object) -> str:
    """Any text as inline code in a table, unable to format or to end the cell."""
    text = " ".join(str(value).split()).replace("`", "'").replace("|", "/")
    return f"`{text}`"
