// Nothing: CMake compiles the tests' common headers for a target, and a target has a source.
