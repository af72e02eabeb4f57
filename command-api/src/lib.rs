//! The program: CLI, configuration, wiring, serving.
