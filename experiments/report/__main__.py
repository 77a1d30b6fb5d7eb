"""`redoubt report`: tables and figures of runs and sweeps as one HTML page."""

import argparse
import pathlib
import sys

from load import read_study
from paper import ReportError


def main():
    parser = argparse.ArgumentParser(prog="redoubt report")
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    output = arguments.output or arguments.folders[0] / "report"
    try:
        studies = [read_study(folder) for folder in arguments.folders]
        # Matplotlib takes a second to load: a wrong folder is told of before that.
        from page import write_page
        from style import set_defaults

        set_defaults()
        print(f"written to {write_page(studies, output)}", flush=True)
    except ReportError as error:
        print(f"redoubt: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"redoubt: {error.filename or 'standard output'}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
