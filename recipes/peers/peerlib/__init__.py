"""The detectors that unmask is compared with, each as simple as it is usually built."""
