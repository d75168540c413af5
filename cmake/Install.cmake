# What `cmake --install` lays down: headers, the library with the libraries it needs beside it, and the package config.
