"""The model card of a published model: what it is, how it was made, how to use it. No torch."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from inference.bases import BASES, resolve
from inference.errors import ModelError

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


def model_card(facts: Facts, repo: str, files: Mapping[str, str]) -> str:
    """`README.md` of repository `repo`; `files` maps each single file to what it is."""
    pictures = "".join(
        f"| ![sample {number}](samples/{number}.png) | {_code(sample.prompt)} |\n"
        for number, sample in enumerate(facts.samples)
    )
    recipe = "".join(
        f"| {name.replace('_', ' ')} | {_code(value)} |\n"
        for name, value in facts.recipe.items()
        if name not in _UNSAID and value not in (None, "", [], ())
    )
    listed = "".join(f"- `{name}`: {what}\n" for name, what in files.items())
    parts = [
        f"---\n{_front_matter(facts)}---\n",
        f"# {facts.name}\n\nA Stable Diffusion model that knows **{facts.trigger}**. "
        f"It was fine-tuned from {_base(facts)} with DreamBooth"
        f"{' (LoRA, merged)' if facts.method == 'lora' else ''}"
        f"{f' on {facts.photos} photos' if facts.photos else ''}.\n\n"
        f"Say `{facts.trigger}` in a prompt to mean this subject, as in `photo of {facts.trigger}`.\n",
        f"## Samples\n\n| Picture | Prompt |\n|---|---|\n{pictures}" if pictures else "",
        "## How to use it\n\n```python\nimport torch\nfrom diffusers import StableDiffusionPipeline\n\n"
        f"pipeline = StableDiffusionPipeline.from_pretrained({json.dumps(repo)}, torch_dtype=torch.float16)\n"
        'pipeline.to("cuda")\n'
        f'pipeline({json.dumps(f"oil painting of {facts.trigger}")}).images[0].save("picture.png")\n```\n',
        f"Other interfaces for Stable Diffusion take the single files:\n\n{listed}" if listed else "",
        f"## How it was made\n\n| Recipe | |\n|---|---|\n{recipe}" if recipe else "",
        "Please draw a person only with that person's consent.\n",
    ]
    return "\n".join(part for part in parts if part)


def _front_matter(facts: Facts) -> str:
    """The metadata, as YAML. Strings are written as JSON, which YAML reads too."""
    tags = ["stable-diffusion", "stable-diffusion-diffusers", "text-to-image", "diffusers", "dreambooth"]
    widget = [
        {"text": sample.prompt, "output": {"url": f"samples/{number}.png"}}
        for number, sample in enumerate(facts.samples)
    ]
    values: dict[str, object] = {
        "license": _LICENCES.get(_alias(facts), "other"),
        "library_name": "diffusers",
        "pipeline_tag": "text-to-image",
        "base_model": _hub_id(facts),
        "base_model_relation": "finetune" if _hub_id(facts) else None,
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
