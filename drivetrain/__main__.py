"""`python -m drivetrain`: the command line where there is no script on the path."""

from drivetrain.cli import main

main(prog_name="drivetrain")
