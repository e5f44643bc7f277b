"""What the client is built with, bundlers and frameworks: how each makes a folder of files from an app in apps/."""

import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tests.client import node
from tests.support.services import CannotStart, free_port, wait_until
from tests.support.services.processes import spawn

APPS = Path(__file__).with_name("apps")
CLIENT = Path(__file__).parents[2] / "notify_sse/client"
WORKER = "notify-sse-worker.js"


@dataclass(frozen=True)
class Bundler:
    """`packages`, as npm installs them; `command` builds into the folder `out`.

    `copied`: source → target in `out`, which the command leaves to its user.
    """

    packages: tuple[str, ...]
    command: tuple[str, ...]
    out: str = "dist"
    app: str = "."
    copied: tuple[tuple[str, str], ...] = ()


_REACT = ("react@19.3.1", "react-dom@19.3.1")
_VITE = ("vite", "build")
BUNDLERS: Mapping[str, Bundler] = MappingProxyType(
    {
        "vite-6": Bundler(("vite@6.4.6",), _VITE),
        "vite-7": Bundler(("vite@7.3.8",), _VITE),
        "vite-8": Bundler(("vite@8.3.8",), _VITE),
        "webpack": Bundler(
            ("webpack@5.112.2", "webpack-cli@7.3.1"),
            ("webpack", "--mode", "production", "--entry", "./app.mjs", "-o", "dist", "--output-filename", "app.mjs"),
            copied=(("index.html", "index.html"),),
        ),
        "esbuild": Bundler(
            ("esbuild@0.28.2",),
            ("esbuild", "app.mjs", "--bundle", "--format=esm", "--outfile=dist/app.mjs", "--log-level=warning"),
            copied=(("index.html", "index.html"), (f"node_modules/notify-sse/{WORKER}", WORKER)),
        ),
        "next": Bundler(("next@16.4.6", *_REACT), ("next", "build"), out="out", app="next"),
        "next-webpack": Bundler(("next@16.4.6", *_REACT), ("next", "build", "--webpack"), out="out", app="next"),
        "vue": Bundler(("vue@3.5.45", "@vitejs/plugin-vue@6.0.11", "vite@8.3.8"), _VITE, app="vue"),
        "svelte": Bundler(("svelte@5.57.3", "@sveltejs/vite-plugin-svelte@7.3.1", "vite@8.3.8"), _VITE, app="svelte"),
    }
)
OTHERS = shutil.ignore_patterns("next", "vue", "svelte")
"""The apps that lie in folders of their own, within the one of the others."""
IN_THE_SUITE = ("vite-7", "esbuild")
"""Those whose packages tests/client has anyway, in the same versions; `make client-builds` takes all."""


def built(name: str, folder: Path, *, tarball: Path | None) -> dict[str, Path]:
    """The app built in `folder`: address → file.

    With `tarball`, the packed client, its packages are installed there, from the registry. Without, they are those of
    tests/client.
    """
    bundler = BUNDLERS[name]
    shutil.copytree(APPS / bundler.app, folder, dirs_exist_ok=True, ignore=OTHERS)
    (folder / "package.json").write_text('{"private": true, "type": "module"}\n')
    if tarball:
        _run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", str(tarball), *bundler.packages], folder)
    else:
        (folder / "node_modules").symlink_to(node.FOLDER / "node_modules")
    _run([str(folder / "node_modules/.bin" / bundler.command[0]), *bundler.command[1:]], folder)
    out = folder / bundler.out
    for source, target in bundler.copied:
        shutil.copy(folder / source, out / target)
    files = {f"/{path.relative_to(out).as_posix()}": path for path in out.rglob("*") if path.is_file()}
    return files | {"/": out / "index.html"}


@contextlib.contextmanager
def developed(folder: Path, *, behind: str, options: Mapping[str, object]) -> Iterator[str]:
    """The app in Vite's development server, with the packages of tests/client and `options` in its configuration.

    Yields its address. The routes of the service come from `behind`.
    """
    shutil.copytree(APPS, folder, dirs_exist_ok=True, ignore=OTHERS)
    (folder / "package.json").write_text('{"private": true, "type": "module"}\n')
    (folder / "node_modules").symlink_to(node.FOLDER / "node_modules")
    port, log = free_port(), folder / "vite.log"
    routes = {path: {"target": behind, "ws": True} for path in ("/notifications", "/test")}
    server = {"host": "127.0.0.1", "port": port, "strictPort": True, "proxy": routes, "fs": {"strict": False}}
    configuration = {"server": server, "cacheDir": str(folder / "cache"), "clearScreen": False, **options}
    (folder / "vite.config.js").write_text(f"export default {json.dumps(configuration)};\n")
    process = spawn([folder / "node_modules/.bin/vite"], log=log, env=os.environ | {"NO_COLOR": "1"}, cwd=folder)
    try:
        ready = re.compile(rf"http://127\.0\.0\.1:{port}")
        wait_until(lambda: ready.search(log.read_text(errors="replace")), within_s=60, what="Vite")
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.kill()


def packed(folder: Path) -> Path:
    """The client as npm packs it."""
    _run(["npm", "pack", str(CLIENT), "--pack-destination", str(folder), "--silent"], folder)
    [tarball] = folder.glob("*.tgz")
    return tarball


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"NEXT_TELEMETRY_DISABLED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
    )
    if done.returncode:
        raise CannotStart(f"{' '.join(command)} failed:\n{done.stdout}")
