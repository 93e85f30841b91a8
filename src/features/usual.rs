//! Columns of what is usual at this station at this time, by the training span.

use super::matrix::{Column, Context, logit};

/// The columns of this group.
pub(super) const COLUMNS: [Column; 6] = [
    Column {
        name: "logit_full",
        formula: "logit(usual_full), usual_full the station's share of readings that are full",
    },
    Column {
        name: "logit_full_then",
        formula: "logit of that share in the two hours, on working days or on days off, that the target lies in",
    },
    Column {
        name: "usual_change",
        formula: "mean change of free docks over a horizon that starts at this hour, on working days or on days off",
    },
    Column {
        name: "expected_docks",
        formula: "(docks + usual_change) / (a + 0.5), cut to -3..8, a the usual absolute change at such an hour",
    },
    Column { name: "log_expected_docks", formula: "ln(1 + docks + usual_change), the sum cut at 0" },
    Column { name: "log_usual_move", formula: "ln(a + 0.1)" },
];

/// Their values at one origin.
pub(super) fn values(context: &Context<'_>) -> [f64; 6] {
    let usual = &context.usual;
    let docks = f64::from(context.past.docks()) + usual.change;
    let expected = docks / (usual.absolute_change + 0.5);
    [
        logit(usual.full),
        logit(usual.full_then),
        usual.change,
        expected.clamp(-3.0, 8.0),
        docks.max(0.0).ln_1p(),
        (usual.absolute_change + 0.1).ln(),
    ]
}
