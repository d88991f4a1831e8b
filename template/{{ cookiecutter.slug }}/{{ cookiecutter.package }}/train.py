"""Train every model of the plan and write what the service needs.

The learners are in `learners/`, one file per model. How they are fitted stands here and is yours to change;
calibration, export, the check that the service predicts the same, and the evidence are the library's.

    python -m <package>.train             every model; a run that was stopped goes on where it was
    python -m <package>.train --curve     also on parts of the rows: how much better would more labels make it?
"""

import argparse
from importlib import import_module

import pandas as pd
import torch
from drivetrain import load_spec, run
from drivetrain.spec import Model, Spec
from drivetrain.training import start
from fastai.callback.all import EarlyStoppingCallback, SaveModelCallback
from fastai.learner import Learner
from fastai.torch_core import set_seed


def main() -> None:
    parser = argparse.ArgumentParser(description="Train every model of the plan.")
    parser.add_argument("--curve", action="store_true", help="measure the learning curve, too: four times the time")
    parser.add_argument("--ranks", type=int, help="how many processes must train together (make train-distributed)")
    arguments = parser.parse_args()
    plan = load_spec()
    with start(plan, arguments.ranks) as this_run:
        for job in this_run.jobs(curve=arguments.curve):
            learn = make_learner(plan, job.model, job.cases)
            this_run.watch(job, learn)
            fit(learn, job.model)
            this_run.keep(job, learn)


def make_learner(plan: Spec, model: Model, cases: pd.DataFrame) -> Learner:
    """The learner that `learners/<model>.py` describes, not trained yet."""
    file = import_module(f".learners.{model.name}", __package__)
    set_seed(model.training.seed, reproducible=True)
    return file.get_learner(file.get_dls(plan, model, cases), model)


def fit(learn: Learner, model: Model) -> None:
    """Train a learner as the plan says."""
    training = model.training
    if training.mixed_precision and torch.cuda.is_available():
        learn.to_fp16()
    # Layers are frozen at first only where they were trained before; tables and ratings have none of that kind.
    fine_tune = training.schedule == "fine_tune" and training.pretrained and model.architecture
    if not fine_tune:
        learn.unfreeze()
    rate = training.learning_rate
    if rate == "auto":
        rate = learn.lr_find(show_plot=False).valley
    callbacks = []
    if training.early_stopping:
        callbacks = [SaveModelCallback(), EarlyStoppingCallback(patience=training.early_stopping)]
    if fine_tune:
        learn.fine_tune(training.epochs, rate, freeze_epochs=training.freeze_epochs, cbs=callbacks)
    elif training.schedule == "flat_cos":
        learn.fit_flat_cos(training.epochs, rate, cbs=callbacks)
    else:
        learn.fit_one_cycle(training.epochs, rate, cbs=callbacks)
    learn.to_fp32()  # predictions and the export in full precision


if __name__ == "__main__":
    run(main)
