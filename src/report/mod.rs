//! Results to JSON and CSV, and figures drawn from those results alone.
