"""`python -m app`: the command line."""

from app.cli.commands import cli

if __name__ == "__main__":  # not in child processes
    cli()
