"""Times Taper beside other frameworks: python -m benchmarks --help"""
