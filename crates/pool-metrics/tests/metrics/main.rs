//! Metrics of pools on every backend, as a Prometheus server reads them.

mod counts;
mod dashboards;
mod exported;
mod probes;
mod reports;
mod times;
