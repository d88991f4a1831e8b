"""The steps of this project; the plan is drivetrain.yaml, beside this folder."""
