"""The report's page in a browser: it loads without a complaint, has every table and figure, follows
the reader's choice of light or dark, and is no wider than the screen."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from reports import SKIP, Reports, leave_unless_modules, read_page

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")


def browse(page, *options):
    """What Chromium prints of a local page: (standard output, what the page's console got)."""
    with tempfile.TemporaryDirectory(prefix="redoubt-test-") as profile:
        result = subprocess.run(
            [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--hide-scrollbars", "--allow-file-access-from-files", "--enable-logging=stderr",
             f"--user-data-dir={profile}", *options, page.as_uri()],
            capture_output=True, text=True, timeout=120, env=dict(os.environ, HOME=profile))
    if result.returncode != 0:
        raise AssertionError(result.stderr)
    return result.stdout, [line for line in result.stderr.splitlines() if "CONSOLE" in line]


class BrowserTest(Reports):
    @property
    def index(self):
        return self.page_folder / "index.html"

    def test_loads_without_a_complaint_and_has_every_table_and_figure(self):
        dom, console = browse(self.index, "--dump-dom")
        self.assertEqual(console, [])
        loaded = read_page(dom)
        self.assertEqual(loaded.tables, self.page.tables)
        self.assertEqual(loaded.figures, self.page.figures)

    def test_a_complaint_would_be_noticed(self):
        page = self.folder / "broken.html"
        page.write_text("<!DOCTYPE html><title>broken</title><script>missing()</script>")
        _, console = browse(page, "--dump-dom")
        self.assertEqual(len(console), 1)
        self.assertIn("missing is not defined", console[0])

    def background(self, scheme):
        import matplotlib.image

        shot = self.folder / f"scheme-{scheme}.png"
        browse(self.index, f"--screenshot={shot}", "--window-size=800,600",
               f"--blink-settings=preferredColorScheme={scheme}")
        pixel = matplotlib.image.imread(shot)[5, 5, :3]
        return [round(255 * float(channel)) for channel in pixel]

    def test_follows_the_choice_of_light_or_dark(self):
        self.assertEqual(self.background(1), [0xFF, 0xFF, 0xFF])
        self.assertEqual(self.background(0), [0x15, 0x18, 0x1C])

    def measured(self, width):
        """Of the page in a frame of that width: (its own width, the widths of the drawings)."""
        frame = self.page_folder / f"frame-{width}.html"
        frame.write_text(
            "<!DOCTYPE html><title>frame</title>"
            f'<iframe src="index.html" style="width:{width}px;height:900px;border:0"></iframe>'
            "<p></p><script>onload = () => {"
            "const page = document.querySelector('iframe').contentDocument;"
            "const widths = [...page.querySelectorAll('svg')].map("
            "svg => Math.round(svg.getBoundingClientRect().width));"
            "document.querySelector('p').textContent ="
            "[page.documentElement.scrollWidth, ...widths].join(' ');};</script>")
        self.addCleanup(frame.unlink)
        dom, _ = browse(frame, "--dump-dom", "--window-size=1600,1000")
        numbers = dom[dom.index("<p>") + 3 : dom.index("</p>")].split()
        return int(numbers[0]), [int(number) for number in numbers[1:]]

    def test_is_no_wider_than_a_telephone_or_a_desk(self):
        for width in (380, 1400):
            page, drawings = self.measured(width)
            self.assertEqual(page, width)
            # Of each figure one drawing is shown, the other takes no room.
            self.assertEqual(len([d for d in drawings if d > 0]), len(drawings) // 2)
            self.assertLess(max(drawings), width)


if __name__ == "__main__":
    leave_unless_modules()
    if BROWSER is None:
        print("skipped: Chromium is not installed")
        sys.exit(SKIP)
    unittest.main()
