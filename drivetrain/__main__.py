"""`python -m drivetrain`: the command line where no script is on the path."""

from drivetrain.cli import main

main(prog_name="drivetrain")
