"""check_wheel.py WHEEL: exactly our packages, and nothing that only the checkout needs."""

import sys
import zipfile
from pathlib import PurePosixPath

PACKAGES = {"device", "scanner_backends", "scan_server", "profiles"}
NOT_CODE = {".toml", ".html", ".css", ".js", ".svg", ".png", ".typed"}


def complaints(wheel: str) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        names = [PurePosixPath(info.filename) for info in archive.infolist() if not info.is_dir()]
    found = {name.parts[0] for name in names}
    info = {part for part in found if part.endswith(".dist-info")}
    wrong = []
    if found - info != PACKAGES:
        wrong.append(f"the packages are {sorted(found - info)}, not {sorted(PACKAGES)}")
    if len(info) != 1:
        wrong.append(f"{len(info)} dist-info folders")
    code = [name for name in names if name.parts[0] in PACKAGES]
    wrong += [
        f"{name} does not belong in a wheel"
        for name in code
        if name.suffix not in {".py"} | NOT_CODE or "tests" in name.parts
    ]
    if not any(name.parts[0] == "profiles" and name.suffix == ".toml" for name in code):
        wrong.append("no profile is in it")
    return wrong


if __name__ == "__main__":
    wrong = complaints(sys.argv[1])
    print(*wrong or [f"{sys.argv[1].rpartition('/')[2]}: {', '.join(sorted(PACKAGES))}"], sep="\n")
    sys.exit(bool(wrong))
