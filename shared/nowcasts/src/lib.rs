//! Nowcast methods: past rain-rate fields in, future ones out.
