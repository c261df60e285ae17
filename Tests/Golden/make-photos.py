#!/usr/bin/env python3
"""Tests/Golden/make-photos.py: photographs as a sensor with an RGGB colour filter sees them, to measure debayering with.
Needs numpy and Pillow, and the Debian package lomiri-wallpapers-16.04; where that is not installed, it is downloaded with
apt-get into a temporary folder. photos.md says what the photographs are.

  Tests/Golden/make-photos.py OUT              writes to the folder OUT, for each photograph: NAME.raw (RGGB, 8 bits, no
                                               padding) and NAME.ppm (the truth); and photos.json, which has their sizes
                                               and what Malvar2004 and Menon2007 of colour-demosaicing reach, in dB
  Tests/Golden/make-photos.py OUT --measure    measures that anew (needs colour-demosaicing), writes it to photos.json
                                               beside this script, too, and their pictures to OUT/NAME.malvar.ppm and
                                               OUT/NAME.menon.ppm
  --from DIR                                   takes the photographs from DIR
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import numpy as np
    from PIL import Image
except ImportError as missing:
    sys.exit(f"make-photos: {sys.executable}: {missing} (Debian: python3-numpy, python3-pil)")

import pnm

STORED = Path(__file__).resolve().with_name("photos.json")
PACKAGE = "lomiri-wallpapers-16.04"
INSTALLED = Path("usr/share/backgrounds")
PHOTOS = {
    "aitzgorri": "aitzgorri_by_Aitzol_Berasategi.jpg",
    "bowl": "Picture_0B_by_freespace.jpg",
    "bridge": "Bridge_by_Sander_Klootwijk.jpg",
    "brushes": "Picture_1A_by_freespace.jpg",
    "clock": "greentock_by_Peter_Nerlich.jpg",
    "dogs": "friends_by_Aitzol_Berasategi.jpg",
    "dragonfly": "Dragonfly_by_Bolly.jpg",
    "drum": "Wine_by_Jakkub_Mede.jpg",
    "lamp": "free_by_Peter_Nerlich.jpg",
    "mountains": "picosdeeuropa_by_Aitzol_Berasategi.jpg",
    "seeds": "seeding_by_Clements_Engelhardt.jpg",
    "stream": "life_by_Aitzol_Berasategi.jpg",
    "sunset": "sunset_by_Aitzol_Berasategi.jpg",
}


def fail(message, code):
    print(f"make-photos: {message}", file=sys.stderr)
    sys.exit(code)


def downloaded(folder):
    """Downloads the package and unpacks it, both into `folder`."""
    try:
        subprocess.run(["apt-get", "-qq", "download", PACKAGE], cwd=folder, check=True, stderr=subprocess.PIPE, text=True)
        package = next(Path(folder).glob("*.deb"))
        subprocess.run(["dpkg-deb", "-x", package.name, "."], cwd=folder, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        fail(f"cannot get the Debian package {PACKAGE}: {(getattr(error, 'stderr', '') or error)}".strip()
             + "\nInstall it, or give the folder of its photographs with --from.", 69)
    return Path(folder) / INSTALLED


def truth_of(path):
    """The photograph, smaller: each pixel the mean of at least 2x2, so that neither its own camera's demosaicing nor JPEG's
    subsampled chroma is left in it; then the middle of it, 768x512 or 512x768 or what there is."""
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(np.int64)
    height, width, _ = pixels.shape
    wanted = (768, 512) if width >= height else (512, 768)
    n = max(2, min(width // wanted[0], height // wanted[1]))
    height, width = height // n, width // n
    sums = pixels[: height * n, : width * n].reshape(height, n, width, n, 3).sum(axis=(1, 3))
    small = (2 * sums + n * n) // (2 * n * n)
    w, h = min(wanted[0], width) // 2 * 2, min(wanted[1], height) // 2 * 2
    x, y = (width - w) // 2, (height - h) // 2
    return np.ascontiguousarray(small[y : y + h, x : x + w].astype(np.uint8)), n


def measured(name, cfa, truth, out):
    """dB that colour-demosaicing reaches; its pictures go to `out`."""
    from colour_demosaicing import demosaicing_CFA_Bayer_Malvar2004, demosaicing_CFA_Bayer_Menon2007

    result = {}
    for method, demosaic in (("malvar", demosaicing_CFA_Bayer_Malvar2004), ("menon", demosaicing_CFA_Bayer_Menon2007)):
        picture = np.floor(np.clip(demosaic(cfa / 255, "RGGB"), 0, 1) * 255 + 0.5).astype(np.uint8)
        pnm.write(out / f"{name}.{method}.ppm", picture)
        result[method] = round(pnm.psnr(picture, truth), 4)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", metavar="OUT", type=Path)
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--from", dest="folder", metavar="DIR", type=Path)
    options = parser.parse_args()
    if options.measure:
        try:
            import colour_demosaicing  # noqa: F401
        except ImportError:
            fail("--measure needs colour-demosaicing (pip install colour-demosaicing)", 69)
    options.out.mkdir(parents=True, exist_ok=True)
    stored = {p["name"]: p for p in json.loads(STORED.read_text())["photos"]} if STORED.exists() else {}
    photos = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or "/" / INSTALLED
        if not options.folder and not all((folder / file).exists() for file in PHOTOS.values()):
            folder = downloaded(temporary)
        for name, file in PHOTOS.items():
            if not (folder / file).exists():
                fail(f"{folder / file}: not there", 66)
            truth, n = truth_of(folder / file)
            digest = hashlib.sha256(truth.tobytes()).hexdigest()
            cfa = pnm.mosaic(truth)
            (options.out / f"{name}.raw").write_bytes(cfa.tobytes())
            pnm.write(options.out / f"{name}.ppm", truth)
            height, width, _ = truth.shape
            photo = {"name": name, "width": width, "height": height, "fourcc": "RGGB", "file": file, "reduced": n,
                     "sha256": digest}
            if options.measure:
                photo.update(measured(name, cfa, truth, options.out))
            elif stored.get(name, {}).get("sha256") == digest:
                photo.update({method: stored[name][method] for method in ("malvar", "menon")})
            else:
                fail(f"{file}: decodes to other pixels than those that photos.json was measured on. Is it another version "
                     f"of {PACKAGE}, or a JPEG decoder of other habits? --measure measures anew.", 65)
            photos.append(photo)
    mean = {method: round(sum(p[method] for p in photos) / len(photos), 4) for method in ("malvar", "menon")}
    lines = ",\n".join("    " + json.dumps(photo) for photo in photos)
    text = f'{{\n  "photos": [\n{lines}\n  ],\n  "mean": {json.dumps(mean)}\n}}\n'
    (options.out / "photos.json").write_text(text)
    if options.measure:
        STORED.write_text(text)
    print(f"{len(photos)} photographs; on average Malvar2004 reaches {mean['malvar']:.2f} dB, Menon2007 {mean['menon']:.2f}")


if __name__ == "__main__":
    main()
