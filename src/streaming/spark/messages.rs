//! From a topic's messages to readings, in SQL: the rules of `crate::kafka` and of `crate::station`, said to Spark.
//!
//! A number or a flag that cannot be read is unknown. Without the station's code and the two times there is no reading: such
//! a message is set aside, which here means that it is counted in the query's reports and stays in the topic.

/// The fields of a message that are read; times as text, because Spark's own reading of times is laxer than RFC 3339.
const FIELDS: &str = "fetched_at STRING, stationcode STRING, name STRING, is_installed BOOLEAN, capacity BIGINT, \
     numdocksavailable BIGINT, numbikesavailable BIGINT, mechanical BIGINT, ebike BIGINT, is_renting BOOLEAN, \
     is_returning BOOLEAN, duedate STRING, lat DOUBLE, lon DOUBLE, nom_arrondissement_communes STRING";

/// An instant in RFC 3339: with an offset, which Spark would do without.
const RFC_3339: &str =
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$";

/// What makes a row of [`parsed`] a reading.
pub(super) const READABLE: &str = "station_code IS NOT NULL AND duedate IS NOT NULL AND fetched_at IS NOT NULL";

/// The messages of a Kafka table as rows: what they say as far as it can be read, and their place in the topic.
pub(super) fn parsed(messages: &str) -> String {
    let time = |field: &str| {
        // Whole milliseconds, as windows keep them.
        let time = format!("timestamp_millis(unix_millis(try_cast(upper(said.{field}) AS TIMESTAMP)))");
        format!("CASE WHEN said.{field} RLIKE '{RFC_3339}' THEN {time} END")
    };
    let count = |field: &str| format!("CASE WHEN said.{field} BETWEEN 0 AND {} THEN said.{field} END", u32::MAX);
    let degrees = |field: &str| format!("CASE WHEN abs(said.{field}) < 1e300D THEN said.{field} END");
    let trimmed = |field: &str| format!("nullif(trim(BOTH ' \\t\\r\\n' FROM said.{field}), '')");
    format!(
        "WITH said AS ( \
             SELECT partition, offset, from_json(try_validate_utf8(CAST(value AS STRING)), '{FIELDS}') AS said \
             FROM {messages} \
         ) SELECT partition, offset, \
             CASE WHEN NOT contains(said.stationcode, char(0)) THEN {code} END AS station_code, \
             {duedate} AS duedate, {fetched_at} AS fetched_at, said.name, {commune} AS commune, {lat} AS lat, \
             {lon} AS lon, said.is_installed, said.is_renting, said.is_returning, {capacity} AS capacity, \
             {docks} AS docks, {bikes} AS bikes, {mechanical} AS mechanical, {ebike} AS ebike \
         FROM said",
        code = trimmed("stationcode"),
        duedate = time("duedate"),
        fetched_at = time("fetched_at"),
        commune = trimmed("nom_arrondissement_communes"),
        lat = degrees("lat"),
        lon = degrees("lon"),
        capacity = count("capacity"),
        docks = count("numdocksavailable"),
        bikes = count("numbikesavailable"),
        mechanical = count("mechanical"),
        ebike = count("ebike"),
    )
}
