//! The texts of the page of shortages.

use super::called;
use super::tables::{number, percent};
use crate::batch::{FEWEST_DAYS, LITTLE_HOURS, Lack, NEAR, PRIOR_BIKES, SILENT_HOURS, Shortages};

/// What a reader in a hurry takes away.
pub(super) fn in_short(result: &Shortages) -> Vec<String> {
    let lost = |wanted: &str, lack: &Lack| match lack.missed {
        Some(missed) => format!(
            "Without a {wanted}: {} station-hours, {} of the time that is known. Of the riders, {} are expected to have found none: \
             {} in all.",
            number(lack.hours, 0),
            percent(lack.share),
            percent(lack.lost_share),
            number(missed, 0)
        ),
        None => format!(
            "Without a {wanted}: {} station-hours; nobody could be seen, so nobody can be missed.",
            number(lack.hours, 1)
        ),
    };
    let mut text = vec![lost("bike", &result.bikes), lost("dock", &result.docks)];
    let stations = number(result.stations as f64, 0);
    if let Some((bikes, docks)) = result.bikes.answered_share.zip(result.docks.answered_share) {
        text.push(format!(
            "Point to the next station: in {} of the hours without a bike, and {} of those without a dock, another station within \
             {NEAR} m had one.",
            percent(Some(bikes)),
            percent(Some(docks))
        ));
    }
    let half = |count: u64, wanted: &str| {
        format!("Half of the riders who found no {wanted} came to {count} of the {stations} stations: begin there.")
    };
    // Of a single station that says nothing.
    let some = |count: &u64| *count < result.stations;
    text.extend(result.half_of_bikes.filter(some).map(|count| half(count, "bike")));
    text.extend(result.half_of_docks.filter(some).map(|count| half(count, "dock")));
    text.extend(result.moves.top.first().map(|first| {
        format!(
            "Move bikes next door: up to {} riders came in vain while a neighbour was at least half full of bikes. It could have \
             helped most to take bikes from {} to {}, {} m away, before {}:00.",
            number(result.moves.missed, 0),
            called(&first.from),
            called(&first.to),
            number(first.metres, 0),
            first.when_from
        )
    }));
    if result.missing_docks.docks > 0 {
        text.push(format!(
            "Mend docks: {} of {} look broken.",
            number(result.missing_docks.docks as f64, 0),
            number(result.missing_docks.capacity as f64, 0)
        ));
    }
    if let Some((electric, mechanical)) =
        result.kinds.electric.only_other_share.zip(result.kinds.mechanical.only_other_share)
    {
        text.push(format!(
            "Mix the kinds: for {} of the time a station had mechanical bikes and no electric one, for {} the other way round.",
            percent(Some(electric)),
            percent(Some(mechanical))
        ));
    }
    if result.days < FEWEST_DAYS as u64 {
        text.push(format!(
            "Days that the data touch: {}; observed for long enough to compare: {}, too few to say how sure a number is: no interval is \
             given.",
            number(result.dates as f64, 0),
            number(result.days as f64, 0)
        ));
    }
    text
}

pub(super) fn when() -> Vec<String> {
    vec![
        "Riders who found none, of all who came or were expected. A van that comes before the hours of the dark cells \
         comes in time."
            .into(),
    ]
}

pub(super) fn whereabouts(result: &Shortages) -> Vec<String> {
    let far = result.by_station.iter().filter(|station| station.neighbours == 0).count();
    vec![format!(
        "Full discs: riders find no bike there. Rings: they find no dock. Without another \
         station within {NEAR} m: {far} of {}.",
        number(result.stations as f64, 0)
    )]
}

pub(super) fn ranking(wanted: &str) -> Vec<String> {
    vec![format!(
        "Ranked by riders expected while there was no {wanted}, not by hours: an hour in which nobody comes costs nobody."
    )]
}

pub(super) fn moves(result: &Shortages) -> Vec<String> {
    vec![format!(
        "While a station was empty, a neighbour within {NEAR} m was at least half full of bikes for {} of the riders expected in vain \
         (pairs of stations: {}). Each empty moment is given to the nearest such neighbour alone. At most these could be saved: bikes \
         that are moved are missed where they were, and how many were moved is not counted.",
        number(result.moves.missed, 0),
        result.moves.pairs
    )]
}

pub(super) fn docks(result: &Shortages) -> Vec<String> {
    let missing = &result.missing_docks;
    vec![format!(
        "{} of {} docks, at {} of {} stations, were neither free nor held a bike that can be taken, for half of the time or more. They \
         look broken, or blocked by a bike that is; each one mended is room for a return.",
        number(missing.docks as f64, 0),
        number(missing.capacity as f64, 0),
        missing.stations.len(),
        number(result.stations as f64, 0)
    )]
}

pub(super) fn silent(result: &Shortages) -> Vec<String> {
    vec![format!(
        "Not heard of for more than {SILENT_HOURS} hours when the data end: {} of {} stations. What is shown of them to riders is \
         old.",
        result.silent.len(),
        number(result.stations as f64, 0)
    )]
}

pub(super) fn kinds() -> Vec<String> {
    vec![
        "Who wants one kind and finds only the other has a bike, if not the one wanted: these hours count as neither empty \
         nor missed above."
            .into(),
    ]
}

pub(super) fn limits(result: &Shortages) -> Vec<String> {
    let hold = number(result.max_gap_seconds / 60.0, 0);
    [
        "No trips. Only counts at stations are known: who rode where, how long, or why not, is not. A bike that was taken and one \
         that came between two reports cancel out: too few riders are counted, the fewer the further apart the reports."
            .into(),
        "No demand that hides. Who looked at the map and did not come is in no count; who comes to a station that is always empty \
         is estimated from its few hours with bikes and from the network. A rider who walked on and took a bike next door counts \
         as missed here and as seen there: one too many. A quiet station that was hardly seen is taken to be more like the \
         network than it is, which makes it too many there, and too few at a busy one."
            .into(),
        "No vans. Bikes that the operator moved count as taken or brought back: too many riders, most where vans go most."
            .into(),
        "No bounds. Of these some make the numbers too low and some too high, and how much is not measured: the riders missed are \
         neither a lower nor an upper bound, and the intervals say how days differ and nothing of this."
            .into(),
        "No broken bikes. A bike that cannot be ridden counts as one while the station says it can be taken."
            .into(),
        format!(
            "Nothing beyond the recorded days: in another season, or during a strike, it may look otherwise. After {hold} minutes without a report a \
             station's state is unknown, and counts for nothing."
        ),
    ]
    .into()
}

pub(super) fn method(result: &Shortages) -> Vec<String> {
    let (from, until) = (result.from.format("%Y-%m-%d %H:%M"), result.until.format("%Y-%m-%d %H:%M"));
    [
        format!("The data: {from} to {until} UTC. Hours and days are those of the clocks in Paris."),
        format!(
            "Riders expected: bikes taken (or brought back) per hour in each hour of the week while the station had a bike (or a dock), \
             corrected towards the network's hour at the station's level as if {PRIOR_BIKES} bikes had come as expected. An hour that was hardly \
             seen anywhere is taken to be like those around it. Riders \
             missed: the sum over the hours of the week of the hours without one times that rate. Known is a station's time while it had one \
             or none; while it did not rent out (or was closed) it counts for nothing."
        ),
        format!(
            "Intervals: 90 %, from 1000 draws of whole days with replacement, of those observed for at least half as long as the median \
             day; everything is estimated again from each draw and scaled to the time that is known in all. With few days they are too \
             narrow, and of fewer than {FEWEST_DAYS} there are none. A station at which riders were seen for less than {LITTLE_HOURS} \
             hours rests on little, on the network's hours more than on its own: it has no interval."
        ),
    ]
    .into()
}
