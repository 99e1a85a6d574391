"""What a portrait's caption says, and the prompts that test whether a model listens."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from data.toys.traits import Traits, pick, sample

_PLAIN = 0.08
_NAMED = 0.12
_TAGS = 0.2

# How often a caption mentions a trait that can be seen. Which colour belongs to which noun is what a
# model learns last, so shirts and backgrounds come up often.
_MENTIONED = {
    "background": 0.65,
    "shirt": 0.65,
    "hair_style": 0.55,
    "hair_colour": 0.62,
    "skin": 0.35,
    "glasses": 0.5,
    "beard": 0.5,
    "hat": 0.55,
    "fur": 0.65,
    "collar": 0.5,
}
_ABSENT = 0.35

_CONSONANTS = "bcdfghjklmnprstvwxyz"
_VOWELS = "aeiou"
_ALPHANUMERIC = "abcdefghijklmnopqrstuvwxyz0123456789"

_PHRASES: dict[str, dict[str, tuple[str, ...]]] = {
    "glasses": {
        "none": ("no glasses", "without glasses"),
        "round": ("round glasses",),
        "square": ("square glasses",),
        "sunglasses": ("sunglasses",),
    },
    "beard": {
        "none": ("no beard", "clean-shaven"),
        "moustache": ("a moustache",),
        "goatee": ("a goatee",),
        "full beard": ("a full beard",),
    },
    "hat": {
        "none": ("no hat", "without a hat"),
        "cap": ("a cap", "a red cap"),
        "beanie": ("a beanie",),
        "top hat": ("a top hat",),
        "crown": ("a crown", "a golden crown"),
    },
    "collar": {"none": ("no collar", "without a collar")},
}


def caption(traits: Traits, rng: np.random.Generator) -> str:
    """A caption as a person might write it: some of what can be seen, in some order."""
    noun = f"{made_up_name(rng)} {traits.subject}" if rng.random() < _NAMED else traits.subject
    if rng.random() < _PLAIN:
        return _opening(traits, noun, rng)
    named = _mentioned(traits, rng)
    if rng.random() < _TAGS:
        return _tags(traits, noun, named, rng)
    return _sentence(traits, noun, named, rng)


def _mentioned(traits: Traits, rng: np.random.Generator) -> dict[str, str]:
    """The visible traits that a caption speaks of."""
    named = {}
    for name, value in traits.visible().items():
        chance = _MENTIONED.get(name, 0.0) * (_ABSENT if value == "none" else 1.0)
        if rng.random() < chance:
            named[name] = value
    return named


def made_up_name(rng: np.random.Generator) -> str:
    """A word that means nothing, as a user might call a subject: syllables, or letters and digits."""
    if rng.random() < 0.6:
        return "".join(_syllable(rng) for _ in range(int(rng.integers(2, 4))))
    length = int(rng.integers(2, 17)) if rng.random() < 0.4 else int(rng.integers(3, 8))
    return "".join(_ALPHANUMERIC[i] for i in rng.integers(len(_ALPHANUMERIC), size=length))


def _syllable(rng: np.random.Generator) -> str:
    start = _CONSONANTS[rng.integers(len(_CONSONANTS))] + _VOWELS[rng.integers(len(_VOWELS))]
    return start + (_CONSONANTS[rng.integers(len(_CONSONANTS))] if rng.random() < 0.35 else "")


def _opening(traits: Traits, noun: str, rng: np.random.Generator) -> str:
    article = "" if noun != traits.subject else "a "
    if rng.random() < 0.06:
        # Now and then nothing is said about the style, as in many prompts.
        return f"{article}{noun}" if traits.style == "photo" else f"{traits.style}, {article}{noun}"
    return f"{traits.style} of {article}{noun}"


def _hair_phrase(named: dict[str, str]) -> str:
    """The words for hair: its form, its colour, or both."""
    style, colour = named.get("hair_style", ""), named.get("hair_colour", "")
    if style == "pigtails":
        return f"{colour} pigtails".strip()
    return " ".join(word for word in (style, colour, "hair") if word)


def _wording(name: str, value: str, rng: np.random.Generator) -> str:
    if name in _PHRASES and value in _PHRASES[name]:
        return pick(rng, _PHRASES[name][value])
    return {
        "skin": f"{value} skin",
        "shirt": f"a {value} shirt",
        "background": f"{value} background",
        "fur": f"{value} fur",
        "collar": f"a {value} collar",
    }[name]


def _features(named: dict[str, str], rng: np.random.Generator) -> list[str]:
    """Phrases for what belongs to the subject itself, in a random order."""
    phrases = []
    if named.get("hair_style") == "bald":
        phrases.append(pick(rng, ("a bald head", "no hair")))
    elif "hair_style" in named or "hair_colour" in named:
        phrases.append(_hair_phrase(named))
    phrases += [
        _wording(name, named[name], rng) for name in ("skin", "glasses", "beard", "fur") if name in named
    ]
    return [phrases[i] for i in rng.permutation(len(phrases))]


def _clothes(named: dict[str, str], rng: np.random.Generator) -> list[str]:
    phrases = [_wording(name, named[name], rng) for name in ("shirt", "hat", "collar") if name in named]
    return [phrases[i] for i in rng.permutation(len(phrases))]


def _tags(traits: Traits, noun: str, named: dict[str, str], rng: np.random.Generator) -> str:
    phrases = _features(named, rng) + _clothes(named, rng)
    if "background" in named:
        phrases.append(_wording("background", named["background"], rng))
    phrases = [phrases[i].removeprefix("a ") for i in rng.permutation(len(phrases))]
    return ", ".join([_opening(traits, noun, rng), *phrases])


def _sentence(traits: Traits, noun: str, named: dict[str, str], rng: np.random.Generator) -> str:
    adjective, named = _adjective(named, rng)
    # A made-up name stays next to its class word, as in the prompts of a trained subject.
    if adjective and noun == traits.subject:
        article = "an" if adjective == "orange" else "a"
        text = _opening(traits, noun, rng).removesuffix(f"a {noun}") + f"{article} {adjective} {noun}"
    else:
        text = _opening(traits, noun, rng)
    features = _features(named, rng)
    bare = [phrase for phrase in features if phrase.startswith(("without", "clean"))]
    owned = [phrase for phrase in features if phrase not in bare]
    clothes = _clothes(named, rng)
    worn = [phrase for phrase in clothes if not phrase.startswith(("without", "no "))]
    bare += [phrase for phrase in clothes if phrase not in worn]
    parts = [f"with {_listed(owned)}"] if owned else []
    parts += [f"{pick(rng, ('wearing', 'in'))} {_listed(worn)}"] if worn else []
    text = _joined(text, [parts[i] for i in rng.permutation(len(parts))], rng)
    text += "".join(f", {phrase}" for phrase in bare)
    return text + _setting(named, rng)


def _adjective(named: dict[str, str], rng: np.random.Generator) -> tuple[str, dict[str, str]]:
    """Sometimes a trait goes before the noun: 'a bald person', 'an orange cat'."""
    for name, chance in (("fur", 0.5), ("hair_style", 0.5)):
        value = named.get(name, "")
        if value and (name == "fur" or value == "bald") and rng.random() < chance:
            rest = {key: kept for key, kept in named.items() if key != name}
            return value, rest
    return "", named


def _listed(phrases: list[str]) -> str:
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"


def _joined(text: str, parts: Iterable[str], rng: np.random.Generator) -> str:
    for number, part in enumerate(parts):
        text += (" " if number == 0 or rng.random() < 0.3 else ", ") + part
    return text


def _setting(named: dict[str, str], rng: np.random.Generator) -> str:
    if "background" not in named:
        return ""
    colour = named["background"]
    article = "an" if colour == "orange" else "a"
    forms: tuple[Callable[[], str], ...] = (
        lambda: f", {colour} background",
        lambda: f" on {article} {colour} background",
        lambda: f" in front of {article} {colour} background",
    )
    return forms[int(rng.integers(len(forms)))]()


def evaluation_prompts(count: int, seed: int) -> list[tuple[str, dict[str, str]]]:
    """Prompts, each with what it asks for: a subject, mostly a style, and up to five other traits."""
    prompts = []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        style = pick(
            rng, ("photo", "photo", "photo", "oil painting", "oil painting", "pixel art", "pencil sketch")
        )
        traits = sample(rng, {"style": style})
        seen = [name for name in traits.visible() if name not in ("subject", "style")]
        chosen = [seen[i] for i in rng.permutation(len(seen))[: int(rng.integers(3, 6))]]
        named = {name: traits.value(name) for name in sorted(chosen)}
        text = _sentence(traits, traits.subject, named, rng)
        asked = {"subject": traits.subject, **named}
        if traits.style in text:
            asked["style"] = traits.style
        prompts.append((text, asked))
    return prompts
