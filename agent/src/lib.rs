//! Sources of telemetry: this host, and a simulated tidal power station.
