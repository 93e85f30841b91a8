//! Columns of the station's own recent past.

use super::matrix::{Column, Context, logit};

/// Seconds of a day.
const DAY: i64 = 86_400;

/// The columns of this group.
pub(super) const COLUMNS: [Column; 3] = [
    Column {
        name: "change_before",
        formula: "docks at the origin less docks one horizon earlier (nearest reading within the tolerance); 0 if unknown",
    },
    Column {
        name: "logit_full_last_day",
        formula: "logit((full + usual_full) / (n + 1)) over the n readings of the last 24 hours, the origin's included",
    },
    Column {
        name: "logit_full_last_week",
        formula: "logit((full + 5 usual_full) / (n + 5)) over the n readings of the last 7 days, the origin's included",
    },
];

/// Their values at one origin.
pub(super) fn values(context: &Context<'_>) -> [f64; 3] {
    let past = &context.past;
    let before = past.docks_ago(context.target.horizon, context.target.tolerance);
    let change = before.map_or(0.0, |before| f64::from(past.docks()) - f64::from(before));
    let share = |seconds: i64, strength: f64| {
        let (full, count) = past.full_within(seconds);
        logit((f64::from(full) + strength * context.usual.full) / (f64::from(count) + strength))
    };
    [change, share(DAY, 1.0), share(7 * DAY, 5.0)]
}
