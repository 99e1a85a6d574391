"""How much of a prompt a model reads: 77 tokens, of which two mark its beginning and end. No torch."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from huggingface_hub import try_to_load_from_cache
from tokenizers import Regex, Tokenizer
from tokenizers.models import BPE
from tokenizers.normalizers import NFC, Lowercase, Replace
from tokenizers.normalizers import Sequence as Normalizers
from tokenizers.pre_tokenizers import ByteLevel, Split
from tokenizers.pre_tokenizers import Sequence as PreTokenizers

from inference.bases import source_of
from inference.errors import ModelError

READ_TOKENS = 75

# CLIP's own pattern (github.com/openai/CLIP, simple_tokenizer.py).
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def unread(base: str, prompt: str) -> str:
    """The end of a prompt that the base's text encoder never sees; empty where it sees everything.

    Empty too where the base's vocabulary is not on this machine, yet or any more: a model in full does
    without its base. Blocking.
    """
    try:
        source = source_of(base)
    except ModelError:
        return ""
    vocabulary, merges = (_file(source, name) for name in ("vocab.json", "merges.txt"))
    if vocabulary is None or merges is None:
        return ""
    encoding = _tokenizer(vocabulary, merges).encode(prompt, add_special_tokens=False)
    if len(encoding.ids) <= READ_TOKENS:
        return ""
    return prompt[encoding.offsets[READ_TOKENS][0] :].strip()


def _file(source: str, name: str) -> str | None:
    """A file of the tokenizer, in a folder or in the Hub's cache."""
    if Path(source).is_dir():
        path = Path(source) / "tokenizer" / name
        return str(path) if path.is_file() else None
    cached = try_to_load_from_cache(source, f"tokenizer/{name}")
    return cached if isinstance(cached, str) else None


@lru_cache(maxsize=4)
def _tokenizer(vocabulary: str, merges: str) -> Tokenizer:
    model = BPE.from_file(
        vocabulary,
        merges,
        unk_token="<|endoftext|>",
        continuing_subword_prefix="",
        end_of_word_suffix="</w>",
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = Normalizers([NFC(), Replace(Regex(r"\s+"), " "), Lowercase()])
    tokenizer.pre_tokenizer = PreTokenizers(
        [Split(Regex(_WORDS), behavior="removed", invert=True), ByteLevel(add_prefix_space=False)]
    )
    return tokenizer
