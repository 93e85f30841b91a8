//! What a cell says, as Spark's SQL: the rules of the one reader of records, for the types that Spark's readers bring.
//!
//! In two steps, because Spark computes an expression again wherever it stands: [`typed`] brings a cell to its type, [`checked`]
//! looks at whether that can be meant.

use spark_connect::DataType;

use crate::ingest::Field;

/// RFC 3339, also with a blank for the `T` and without an offset.
const TIME: &str =
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})?$";

/// The expression that brings a column to the type of `field`; `cell` is the column's name in back quotes. Null where the cell
/// says nothing, or nothing of that type. `None` for a column that the field cannot be read from.
pub(super) fn typed(field: Field, cell: &str, column: &DataType) -> Option<String> {
    use DataType::{
        Boolean, Byte, Char, Decimal, Double, Float, Integer, Long, Null, Short, Timestamp, TimestampNtz, Varchar,
    };
    let text = matches!(column, DataType::String { .. } | Char { .. } | Varchar { .. });
    let whole = matches!(column, Byte | Short | Integer | Long);
    let number = whole || matches!(column, Float | Double | Decimal { .. });
    let trimmed = format!(r"btrim({cell}, ' \t\r\n')");
    // Java reads `12d` as a number too.
    let decimal = format!("CASE WHEN right({trimmed}, 1) BETWEEN '.' AND '9' THEN try_cast({cell} AS DOUBLE) END");
    let typed = match sql_type(field) {
        kind if *column == Null => format!("CAST(NULL AS {kind})"),
        "STRING" if whole => format!("CAST({cell} AS STRING)"),
        "STRING" if text && field == Field::StationCode => format!("nullif({trimmed}, '')"),
        "STRING" if text => format!("CASE WHEN {trimmed} <> '' THEN {cell} END"),
        "BOOLEAN" if *column == Boolean => cell.to_owned(),
        "BOOLEAN" if text => format!(
            "CASE lower({trimmed}) WHEN 'true' THEN true WHEN 'false' THEN false WHEN 'oui' THEN true WHEN 'non' THEN false \
             WHEN '1' THEN true WHEN '0' THEN false END"
        ),
        "BOOLEAN" if number => format!("CASE {cell} WHEN 1 THEN true WHEN 0 THEN false END"),
        "BIGINT" if whole => format!("CAST({cell} AS BIGINT)"),
        // A decimal number that is whole, as pandas writes them: `12.0`.
        "BIGINT" if number => format!("CASE WHEN {cell} = floor({cell}) THEN try_cast({cell} AS BIGINT) END"),
        "BIGINT" if text => format!(
            "coalesce(try_cast({cell} AS BIGINT), \
             CASE WHEN ({decimal}) = floor({decimal}) THEN try_cast({decimal} AS BIGINT) END)"
        ),
        "DOUBLE" if number => format!("CAST({cell} AS DOUBLE)"),
        "DOUBLE" if text => decimal,
        "TIMESTAMP" if *column == Timestamp => cell.to_owned(),
        "TIMESTAMP" if *column == TimestampNtz => format!("CAST({cell} AS TIMESTAMP)"),
        // Spark would take `2022`, `2022-05-12` and `10:30` for times too.
        "TIMESTAMP" if text => {
            format!("CASE WHEN {trimmed} RLIKE '{TIME}' THEN try_cast(upper({trimmed}) AS TIMESTAMP) END")
        }
        // Seconds, from 2000 to 3000.
        "TIMESTAMP" if number => {
            format!("CASE WHEN {cell} >= 946684800 AND {cell} < 32503680000 THEN timestamp_seconds({cell}) END")
        }
        _ => return None,
    };
    Some(typed)
}

/// The value of a field if it can be meant, else null; from columns that are named as the fields.
pub(super) fn checked(field: Field) -> String {
    let name = field.name();
    match sql_type(field) {
        "BIGINT" => format!("CASE WHEN {name} BETWEEN 0 AND {} THEN {name} END", u32::MAX),
        // One of the two alone is no place.
        "DOUBLE" => format!("CASE WHEN lat BETWEEN -90 AND 90 AND lon BETWEEN -180 AND 180 THEN {name} END"),
        "TIMESTAMP" => format!(
            "CASE WHEN {name} >= TIMESTAMP'1970-01-01T00:00:00Z' AND {name} <= TIMESTAMP'9999-12-31T23:59:59.999999Z' \
             THEN {name} END"
        ),
        _ => name.to_owned(),
    }
}

/// The type of a field in Spark's SQL.
pub(super) fn sql_type(field: Field) -> &'static str {
    match field {
        Field::FetchedAt | Field::LastReported => "TIMESTAMP",
        Field::StationCode | Field::Name | Field::Commune => "STRING",
        Field::IsInstalled | Field::IsRenting | Field::IsReturning => "BOOLEAN",
        Field::Capacity | Field::DocksAvailable | Field::BikesAvailable | Field::Mechanical | Field::Ebike => "BIGINT",
        Field::Lat | Field::Lon => "DOUBLE",
    }
}
