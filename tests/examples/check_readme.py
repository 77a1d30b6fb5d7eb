#!/usr/bin/env python3
"""Checks that README.md shows real files: each block of code below a line

    <!-- file: PATH -->

must equal that file, and each C++ block must stand below such a line. Also: every relative link must
lead to something. Argument: the top folder.
"""

import pathlib
import re
import sys

BLOCK = re.compile(r"(?:<!-- file: (?P<path>\S+) -->\n+)?^```(?P<kind>\w*)\n(?P<code>.*?)^```$", re.S | re.M)
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")


def faults(top: pathlib.Path) -> list[str]:
    readme = (top / "README.md").read_text(encoding="utf-8")
    found = []
    shown = 0
    for block in BLOCK.finditer(readme):
        line = readme.count("\n", 0, block.start("code"))
        path = block["path"]
        if path is None:
            if block["kind"] == "cpp":
                found.append(f"README.md:{line}: C++ that comes from no file")
            continue
        shown += 1
        if not (top / path).is_file():
            found.append(f"README.md:{line}: there is no {path}")
        elif (top / path).read_text(encoding="utf-8") != block["code"]:
            found.append(f"README.md:{line}: differs from {path}")
    if shown != readme.count("<!-- file:") or shown == 0:
        found.append(f"README.md: {readme.count('<!-- file:')} files are named, {shown} are shown")
    prose = BLOCK.sub("", readme)
    found += [f"README.md: the link {to} leads nowhere" for to in LINK.findall(prose) if not (top / to).exists()]
    return found


if __name__ == "__main__":
    messages = faults(pathlib.Path(sys.argv[1]))
    print("\n".join(messages) or "README.md shows the files as they are")
    sys.exit(1 if messages else 0)
