"""The files of a report: kept until all are made, then written, all or none."""

from paper import ReportError


class Output:
    """A folder to be written. Files are given as bytes by name."""

    def __init__(self, folder):
        self.folder = folder
        self.files = {}

    def add(self, name, content):
        self.files[name] = content

    def write(self):
        """Raises ReportError naming the file that cannot be written; then nothing new is left, and
        an earlier report in the folder is as it was."""
        made = self._make_folders()
        parts = {}
        path = self.folder
        try:
            for name, content in self.files.items():
                path = self.folder / name
                parts[path] = path.with_name(f"{name}.part")
                parts[path].write_bytes(content)
            for path, part in parts.items():
                part.replace(path)
        except OSError as error:
            for part in parts.values():
                part.unlink(missing_ok=True)
            remove_empty(made)
            raise cannot_write(path, error) from error

    def _make_folders(self):
        """Those that were not there, the innermost first."""
        missing, folder = [], self.folder
        while not folder.exists() and folder != folder.parent:
            missing.append(folder)
            folder = folder.parent
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            remove_empty(missing)
            raise cannot_write(self.folder, error) from error
        return missing


def remove_empty(folders):
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:  # it was not made, or somebody else has put something there
            return


def cannot_write(path, error):
    return ReportError(f"{path}: cannot write: {error.strerror or error}")
