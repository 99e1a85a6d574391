"""Repositories under the names that people paste."""

from __future__ import annotations

import pytest

from tests.hub import HubServer
from tests.trainer.publishing.steps import Run
from trainer.hub_names import Account, PublishError, repository_name

ANN = Account("ann", ("Studio",), "write", None)


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("abraza", "ann/abraza"),
        (" abraza.git ", "ann/abraza"),
        ("Ann/abraza", "ann/abraza"),
        ("studio/Abraza.v2", "Studio/Abraza.v2"),
        ("ann/abraza/", "ann/abraza"),
        ("https://huggingface.co/ann/abraza", "ann/abraza"),
        ("https://huggingface.co/ann/abraza/tree/main?x=1#top", "ann/abraza"),
        ("HTTPS://HuggingFace.co/ann/abraza.git", "ann/abraza"),
        ("huggingface.co/ann/abraza", "ann/abraza"),
        ("hf.co/ann/abraza", "ann/abraza"),
        ("git@hf.co:ann/abraza.git", "ann/abraza"),
        ("ssh://git@hf.co/ann/abraza", "ann/abraza"),
        ("http://127.0.0.1:80/ann/abraza", "ann/abraza"),
    ],
)
def test_a_name_is_understood_as_it_is_pasted(text: str, full: str) -> None:
    assert ANN.full_name(text) == full


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "repo_name"),
        (".git", "repo_name"),
        ("abraza.git.git", "repo_name"),
        ("ann/abraza/tree", "repo_name"),
        ("https://huggingface.co/", "repo_name"),
        ("https://huggingface.co/datasets/ann/abraza", "repo_taken"),
        ("bob/abraza", "repo_taken"),
    ],
)
def test_what_is_no_name_of_ones_own_is_a_sentence(text: str, code: str) -> None:
    with pytest.raises(PublishError) as caught:
        ANN.full_name(text)
    assert caught.value.code == code


def test_a_token_within_an_address_is_not_kept() -> None:
    assert repository_name("https://ann:hf_secret@huggingface.co/ann/abraza.git") == "ann/abraza"


def test_a_fine_grained_token_knows_its_account_whatever_the_capitals() -> None:
    assert Account("ann", (), "fineGrained", ("Ann",)).full_name("ANN/abraza") == "ann/abraza"


def test_both_spellings_are_one_repository(hub: HubServer, run: Run) -> None:
    run("Ann/abraza.git")
    assert not run(f"{hub.url}/ann/abraza").changed
    assert list(hub.repos) == ["ann/abraza"]
