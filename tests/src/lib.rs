//! The outside view: layout rules, end to end, conformance, crash, simulation, benches.
