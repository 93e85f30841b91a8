//! Numbers about work that goes on for long, to be read from outside while it does: in the text format of Prometheus,
//! version 0.0.4, as its documentation calls "exposition formats".
//!
//! The work counts by atomics and waits for nobody. What is not known yet is left out, and is never zero.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The numbers of one run. All clones are one.
///
/// ```
/// use velib::ingest::Metrics;
///
/// let metrics = Metrics::new();
/// let polls = metrics.counter("velib_polls_total", "Polls that brought a snapshot.");
/// let lag = metrics.gauge("velib_lag_seconds", "How far the feed is behind.");
/// polls.add(2);
/// assert_eq!(
///     metrics.text(),
///     "# HELP velib_polls_total Polls that brought a snapshot.\n# TYPE velib_polls_total counter\nvelib_polls_total 2\n"
/// );
/// lag.set(62.5);
/// assert!(metrics.text().ends_with("# TYPE velib_lag_seconds gauge\nvelib_lag_seconds 62.5\n"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Mutex<Vec<Metric>>>);

/// A count that only grows. All clones are one.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

/// A number that goes up and down; unknown until it is set. All clones are one.
#[derive(Clone, Debug)]
pub struct Gauge(Arc<AtomicU64>);

#[derive(Debug)]
struct Metric {
    name: &'static str,
    help: &'static str,
    number: Number,
}

#[derive(Debug)]
enum Number {
    Counter(Counter),
    Gauge(Gauge),
}

impl Metrics {
    /// No numbers yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new counter, at zero. The name is one of Prometheus's, letters, digits and `_`, and ends with `_total`; no other number
    /// here has it.
    pub fn counter(&self, name: &'static str, help: &'static str) -> Counter {
        let counter = Counter::default();
        self.lock().push(Metric { name, help, number: Number::Counter(counter.clone()) });
        counter
    }

    /// A new gauge, unknown. The name is one of Prometheus's, with the unit at its end; no other number here has it.
    pub fn gauge(&self, name: &'static str, help: &'static str) -> Gauge {
        let gauge = Gauge(Arc::new(AtomicU64::new(UNKNOWN)));
        self.lock().push(Metric { name, help, number: Number::Gauge(gauge.clone()) });
        gauge
    }

    /// All that is known now.
    pub fn text(&self) -> String {
        self.lock().iter().fold(String::new(), |mut text, metric| {
            metric.write(&mut text);
            text
        })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Metric>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counter {
    /// Counts so many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }
}

/// A pattern of bits that no arithmetic has for its result: a NaN with a payload.
const UNKNOWN: u64 = u64::MAX;

impl Gauge {
    /// The number is this from now on.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }
}

impl Metric {
    fn write(&self, text: &mut String) {
        let (kind, value) = match &self.number {
            Number::Counter(counter) => ("counter", counter.0.load(Ordering::Relaxed).to_string()),
            Number::Gauge(gauge) => match gauge.0.load(Ordering::Relaxed) {
                UNKNOWN => return,
                bits => ("gauge", written(f64::from_bits(bits))),
            },
        };
        let (name, help) = (self.name, self.help.replace('\\', r"\\").replace('\n', r"\n"));
        // Writing to a string does not fail.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
    }
}

/// As Go's ParseFloat, which Prometheus reads by, has it.
fn written(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_unknown_is_left_out_and_what_is_counted_is_whole() {
        let metrics = Metrics::new();
        let (counter, gauge) = (metrics.counter("a_total", "A \\ and\na line."), metrics.gauge("b", "B."));
        let clone = counter.clone();
        clone.add(u64::from(u32::MAX));
        counter.add(1);
        assert_eq!(metrics.text(), "# HELP a_total A \\\\ and\\na line.\n# TYPE a_total counter\na_total 4294967296\n");
        for (value, expected) in [(0.0, "0"), (-1.5, "-1.5"), (f64::INFINITY, "+Inf"), (f64::NAN, "NaN")] {
            gauge.set(value);
            assert!(metrics.clone().text().ends_with(&format!("# HELP b B.\n# TYPE b gauge\nb {expected}\n")));
        }
    }

    proptest! {
        #[test]
        fn a_gauge_reads_back_as_it_was_set(value in any::<f64>()) {
            prop_assert_eq!(written(value).parse::<f64>().unwrap(), value);
        }
    }
}
