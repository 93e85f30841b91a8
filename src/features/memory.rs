//! Columns of the station's own recent past.

use super::matrix::{Column, Context, logit};

/// Seconds of a day.
const DAY: i64 = 86_400;
/// How far a reading may be from a time of another day, seconds.
const NEAR: i64 = 45 * 60;

/// The columns of this group.
pub(super) const COLUMNS: [Column; 8] = [
    Column {
        name: "change_before",
        formula: "docks at the origin less docks one horizon earlier (nearest reading within the tolerance); 0 if unknown",
    },
    Column { name: "change_two_before", formula: "the same over two horizons; unknown without such a reading" },
    Column { name: "slope", formula: "docks per hour, least squares over the readings of the last 150 minutes" },
    Column { name: "change_of_a_day", formula: "docks at the origin less docks 24 hours earlier, within 45 minutes" },
    Column { name: "docks_yesterday", formula: "docks 24 hours before the target, within 45 minutes" },
    Column { name: "docks_last_week", formula: "docks 7 days before the target, within 45 minutes" },
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
pub(super) fn values(context: &Context<'_>) -> [f64; 8] {
    let (past, target) = (&context.past, context.target);
    let docks = f64::from(past.docks());
    let ago = |seconds: i64, tolerance: i64| past.docks_ago(seconds, tolerance).map_or(f64::NAN, f64::from);
    let before = past.docks_ago(target.horizon, target.tolerance);
    let share = |seconds: i64, strength: f64| {
        let (full, count) = past.full_within(seconds);
        logit((f64::from(full) + strength * context.usual.full) / (f64::from(count) + strength))
    };
    [
        before.map_or(0.0, |before| docks - f64::from(before)),
        docks - ago(2 * target.horizon, target.tolerance),
        past.slope_within(150 * 60).unwrap_or(f64::NAN),
        docks - ago(DAY, NEAR),
        ago(DAY - target.horizon, NEAR),
        ago(7 * DAY - target.horizon, NEAR),
        share(DAY, 1.0),
        share(7 * DAY, 5.0),
    ]
}
