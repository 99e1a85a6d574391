"""The mini model, trained from scratch: `python -m trainer.pretrain`."""
