//! Native JSON and admin API.
