//! Columns of the station's state at the origin.

use super::matrix::{Column, Context};

/// The columns of this group.
pub(super) const COLUMNS: [Column; 11] = [
    Column { name: "log_docks", formula: "ln(1 + docks), docks the free docks at the origin" },
    Column { name: "full_now", formula: "1 if docks = 0, else 0" },
    Column { name: "at_most_1_dock", formula: "1 if docks <= 1, else 0" },
    Column { name: "at_most_2_docks", formula: "1 if docks <= 2, else 0" },
    Column { name: "at_most_5_docks", formula: "1 if docks <= 5, else 0" },
    Column { name: "free_share", formula: "docks / capacity" },
    Column { name: "log_bikes", formula: "ln(1 + bikes)" },
    Column { name: "capacity", formula: "docks in all" },
    Column { name: "electric_share", formula: "electric bikes / bikes; unknown where there is no bike" },
    Column { name: "staleness", formula: "minutes from the reading to when it was fetched, cut to 0..180" },
    Column {
        name: "out_of_order",
        formula: "capacity - docks - bikes; below zero where the feed counts more than there is",
    },
];

/// Their values at one origin.
pub(super) fn values(context: &Context<'_>) -> [f64; 11] {
    let docks = context.past.docks();
    let (free, bikes, capacity) =
        (f64::from(docks), f64::from(context.past.bikes()), f64::from(context.past.capacity()));
    let at_most = |limit: u32| f64::from(u8::from(docks <= limit));
    [
        free.ln_1p(),
        at_most(0),
        at_most(1),
        at_most(2),
        at_most(5),
        free / capacity,
        bikes.ln_1p(),
        capacity,
        context.past.electric().filter(|_| bikes > 0.0).map_or(f64::NAN, |electric| f64::from(electric) / bikes),
        (context.past.lag() as f64 / 60.0).clamp(0.0, 180.0),
        capacity - free - bikes,
    ]
}
