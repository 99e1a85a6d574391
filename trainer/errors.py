"""What can be wrong with a training job."""

from data.errors import CodedError


class TrainError(CodedError):
    """Codes: bad_name, no_photos, too_few_photos, too_many_photos, bad_job, bad_vae, learned_nothing,
    loss_not_finite, out_of_memory, disk_full, internal."""


class Stopped(Exception):
    """Raised through a running job when it was asked to stop; nothing is wrong."""

    def __init__(self, step: int = 0) -> None:
        super().__init__(f"stopped at step {step}")
        self.step = step
