//! The questions by Spark's DataFrame API. Their twins as SQL are in `sql.rs`: same names, same order.

use spark_connect::functions::{
    abs, call_function, coalesce, concat, count, count_distinct, count_if, explode, floor, from_utc_timestamp,
    greatest, hour, lag, lead, least, max, min, nullif, sequence, sum, timestamp_seconds, trim, unix_millis, weekday,
    when,
};
use spark_connect::plan::JoinType;
use spark_connect::{
    Column, DataFrame, Expression, FrameBound, SortOrder, Window, WindowSpec, col, lit, lit_boolean, lit_string,
};

use crate::batch::hours::HOUR;

const SITE: [&str; 6] = ["kind", "stationcode", "name", "commune", "lat", "lon"];

/// As [`sql::observed`](super::sql::observed).
pub(super) fn observed(rows: &DataFrame) -> DataFrame {
    let axis = axis(&["duedate", "fetched_at", "source", "file", "block", "place"]);
    let kind = when(col("stationcode").is_null(), col("fault"))
        .when(lag([col("duedate")]).over(axis).eq(col("duedate")), lit_string("repeat"))
        .otherwise(lit_string("first"));
    let usable = col("is_installed").and(col("is_returning")).and(col("capacity").gt(lit(0)));
    let rows = rows.with_columns(vec![("kind".into(), kind), ("open".into(), usable)]);
    let empty = col("is_installed").and(col("is_renting")).and(col("numbikesavailable").eq(lit(0)));
    let while_open = |of: &str| when(col("open"), col(of));
    rows.select([
        col("kind"),
        col("stationcode"),
        col("name"),
        trim(col("nom_arrondissement_communes")).alias("commune"),
        col("lat"),
        col("lon"),
        col("duedate"),
        unix_millis(col("duedate")).alias("due"),
        col("open"),
        col("open").not().alias("closed"),
        col("open").and(col("numdocksavailable").eq(lit(0))).alias("full"),
        empty.alias("empty"),
        while_open("numdocksavailable").alias("docks"),
        while_open("mechanical").alias("mechanical"),
        while_open("ebike").alias("ebike"),
        while_open("numbikesavailable").alias("bikes"),
        when(col("open").and(col("numbikesavailable").is_not_null()), col("capacity")).alias("capacity"),
    ])
}

/// As [`sql::timeline`](super::sql::timeline).
pub(super) fn timeline(observed: &DataFrame, gap: i64) -> DataFrame {
    let in_time = || axis(&["duedate"]);
    let before = || in_time().rows_between(Window::unbounded_preceding(), FrameBound::Preceding(1));
    let last = |column: Column| call_function("last", [column, lit_boolean(true)]).over(before());
    let since = |then: Column| col("due").sub(then);
    let near_move = since(last(when(col("bikes").is_not_null(), col("due")))).le(lit(gap));
    // Of two of which one is null `least` is the other.
    let next = lead([col("due")]).over(in_time());
    let timed = observed.filter(col("kind").eq(lit_string("first"))).with_columns(vec![
        ("held".into(), least(coalesce([next, col("due")]).sub(col("due")), lit(gap))),
        ("near".into(), coalesce([since(lag([col("due")]).over(in_time())).le(lit(gap)), lit_boolean(false)])),
        ("full_before".into(), lag([col("full")]).over(in_time())),
        ("empty_before".into(), lag([col("empty")]).over(in_time())),
        ("moved".into(), when(near_move, abs(col("bikes").sub(last(col("bikes")))))),
    ]);
    let spell = |of: &str| {
        let went_on = col("near").and(coalesce([col(&format!("{of}_before")), lit_boolean(false)]));
        let begins = when(col(of).and(went_on.not()), lit(1)).otherwise(lit(0));
        (format!("{of}_spell"), sum(begins).over(in_time()))
    };
    timed.with_columns(vec![spell("full"), spell("empty")])
}

/// As [`sql::timeless`](super::sql::timeless).
pub(super) fn timeless(observed: &DataFrame) -> DataFrame {
    let never = when(lit_boolean(false), lit(0));
    observed.with_columns(vec![("held".into(), lit(0)), ("moved".into(), never)])
}

/// As [`sql::sites`](super::sql::sites).
pub(super) fn sites(axis: &DataFrame) -> DataFrame {
    let mut sums = vec![
        count(lit(1)).alias("readings"),
        count_if(col("open")).alias("open"),
        count_if(col("closed")).alias("closed"),
        sum(col("held")).alias("held"),
        sum(col("moved")).alias("moved"),
        min(col("due")).alias("first"),
        max(col("due")).alias("last"),
    ];
    for of in ["docks", "mechanical", "ebike"] {
        sums.extend([
            count(col(of)).alias(&format!("{of}_count")),
            sum(col(of)).alias(&format!("{of}_sum")),
            min(col(of)).alias(&format!("{of}_min")),
            max(col(of)).alias(&format!("{of}_max")),
            held_where(col(of).is_not_null()).alias(&format!("{of}_held")),
            times_held(of).alias(&format!("{of}_sum_held")),
        ]);
    }
    for of in ["full", "empty"] {
        sums.extend([count_if(col(of)).alias(&format!("{of}_times")), count(col(of)).alias(&format!("{of}_known"))]);
    }
    for of in ["full", "empty", "closed"] {
        sums.extend([
            held_where(col(of)).alias(&format!("{of}_held")),
            held_where(col(of).is_not_null()).alias(&format!("{of}_known_held")),
        ]);
    }
    sums.extend([
        count(col("bikes")).alias("bikes_count"),
        sum(col("bikes")).alias("bikes_sum"),
        sum(col("capacity")).alias("capacity_sum"),
        held_where(col("bikes").is_not_null()).alias("bikes_held"),
        times_held("bikes").alias("bikes_sum_held"),
        times_held("capacity").alias("capacity_sum_held"),
    ]);
    axis.group_by(SITE).agg(expressions(sums))
}

/// As [`sql::spells`](super::sql::spells).
pub(super) fn spells(axis: &DataFrame, of: &str) -> DataFrame {
    let each = axis.filter(col(of)).group_by(["stationcode".to_owned(), format!("{of}_spell")]);
    let each = each.agg(expressions([sum(col("held")).alias("held")]));
    let of_station = [count(lit(1)).alias("number"), max(col("held")).alias("longest")];
    each.group_by(["stationcode"]).agg(expressions(of_station))
}

/// As [`sql::hours`](super::sql::hours).
pub(super) fn hours(axis: &DataFrame) -> DataFrame {
    let hour_of = |time: Column| floor(time.div(lit(HOUR))).cast_str("BIGINT");
    let pieces = axis
        .filter(col("bikes").is_not_null().and(col("held").gt(lit(0))))
        .with_column("hour", explode(sequence(hour_of(col("due")), hour_of(col("due").add(col("held")).sub(lit(1))))))
        .with_column(
            "local",
            from_utc_timestamp(timestamp_seconds(col("hour").mul(lit(3600))), lit_string("Europe/Paris")),
        )
        .with_column("week_hour", weekday(col("local")).mul(lit(24)).add(hour(col("local"))))
        .with_column(
            "held",
            least(col("due").add(col("held")), col("hour").add(lit(1)).mul(lit(HOUR)))
                .sub(greatest(col("due"), col("hour").mul(lit(HOUR)))),
        );
    let sums = [
        sum(col("held")).alias("held"),
        times_held("bikes").alias("bikes_sum_held"),
        times_held("capacity").alias("capacity_sum_held"),
    ];
    pieces.group_by(["stationcode", "week_hour"]).agg(expressions(sums))
}

/// As [`sql::zoned`](super::sql::zoned).
pub(super) fn zoned(sites: &DataFrame, places: &DataFrame) -> DataFrame {
    let number = || floor(col("stationcode").try_cast_str("INT").div(lit(1000))).cast_str("INT");
    let paris = || col("commune").eq(lit_string("Paris"));
    let numbered = concat([lit_string("Paris "), number().cast_str("STRING"), lit_string("e")]);
    let arrondissement = when(paris().not(), col("commune"))
        .when(paris().and(number().eq(lit(1))), lit_string("Paris 1er"))
        .when(paris().and(number().between(lit(2), lit(20))), numbered);
    let first = sites.filter(col("kind").eq(lit_string("first"))).with_column("arrondissement", arrondissement);
    let same = |own: &str, at: &str| col(own).eq_null_safe(col(at));
    let site = col("stationcode").eq(col("at_station")).and(same("commune", "at_commune"));
    let site = site.and(same("lat", "at_lat")).and(same("lon", "at_lon"));
    first.join(places, Some(site), JoinType::LeftOuter)
}

/// As [`sql::stations`](super::sql::stations).
pub(super) fn stations(zoned: &DataFrame) -> DataFrame {
    let total = |of: &str| sum(col(of)).alias(of);
    let mut sums = vec![
        max(col("name")).alias("name"),
        total("readings"),
        total("open"),
        total("closed"),
        total("held"),
        total("moved"),
        min(col("first")).alias("first"),
        max(col("last")).alias("last"),
    ];
    for of in ["docks", "mechanical", "ebike"] {
        let named = |what: &str| format!("{of}_{what}");
        let mean = sum(col(&named("sum"))).div(nullif(sum(col(&named("count"))), lit(0)));
        sums.extend([
            total(&named("count")),
            mean.alias(&named("mean")),
            min(col(&named("min"))).alias(&named("min")),
            max(col(&named("max"))).alias(&named("max")),
            total(&named("held")),
            total(&named("sum_held")),
        ]);
    }
    sums.extend(["full_times", "full_known", "empty_times", "empty_known"].map(total));
    for of in ["full", "empty", "closed"] {
        sums.extend([total(&format!("{of}_held")), total(&format!("{of}_known_held"))]);
    }
    zoned.group_by(["stationcode"]).agg(expressions(sums))
}

/// As [`sql::sometimes_empty`](super::sql::sometimes_empty).
pub(super) fn sometimes_empty(zoned: &DataFrame) -> DataFrame {
    let sums = ["empty_times", "empty_known"].map(|of| sum(col(of)).alias(of));
    let sums = [max(col("name")).alias("name")].into_iter().chain(sums);
    zoned.group_by(["stationcode"]).agg(expressions(sums)).filter(col("empty_times").gt(lit(0)))
}

/// As [`sql::zones`](super::sql::zones).
pub(super) fn zones(zoned: &DataFrame, by: &str) -> DataFrame {
    let total = |of: &str| sum(col(of)).alias(of);
    let first = ["readings", "open", "docks_count", "docks_sum"].map(total);
    let ends = [min(col("docks_min")).alias("docks_min"), max(col("docks_max")).alias("docks_max")];
    let others = [
        "bikes_count",
        "bikes_sum",
        "capacity_sum",
        "held",
        "docks_held",
        "docks_sum_held",
        "bikes_held",
        "bikes_sum_held",
        "capacity_sum_held",
    ];
    let sums = [count_distinct(col("stationcode")).alias("stations")].into_iter().chain(first).chain(ends);
    let named = zoned.filter(col(by).is_not_null()).group_by([col(by).alias("zone")]);
    named.agg(expressions(sums.chain(others.map(total))))
}

/// The readings of each station, in this order.
fn axis(order: &[&str]) -> WindowSpec {
    let order = order.iter().map(|&name| SortOrder::asc_nulls_first(col(name).expression().clone())).collect();
    Window::partition_by(vec![col("stationcode").expression().clone()]).order_by(order)
}

fn held_where(so: Column) -> Column {
    sum(when(so, col("held")))
}

fn times_held(of: &str) -> Column {
    sum(col(of).cast_str("DOUBLE").mul(col("held")))
}

fn expressions(columns: impl IntoIterator<Item = Column>) -> Vec<Expression> {
    columns.into_iter().map(|column| column.expression().clone()).collect()
}
