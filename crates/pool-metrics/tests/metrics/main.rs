//! Metrics of pools on every backend, as a Prometheus server reads them.

mod dashboards;
mod exported;
mod probes;
mod reports;
mod times;
