//! Brings a database to the newest schema, once it is clear that nobody else's tables are in the way.

use postgres::IsolationLevel;

use super::session::{Failed, Session, Tried};
use crate::error::{Error, ErrorKind};

/// What brings a database from each version of the schema to the next, from the empty one on. Add to the end; never change one
/// that was released.
const MIGRATIONS: [&str; 1] = [include_str!("../postgres_1.sql")];

/// Where it is noted which of them were made.
const NOTED_IN: &str = "velib_migrations";

/// All names of the first schema. A database that has one of them, and no note of ours, is somebody else's.
const NAMES: [&str; 7] =
    ["windowing", "stations", "station_windows", "too_late", "positions", "station_statistics", "zone_statistics"];

/// Taken while the schema is brought forward, so that of several programs one does it: `velib` in ASCII.
const LOCK: i64 = 0x0076_656c_6962;

const OTHER_DATABASE: &str = "give another database, --store postgres://USER@HOST/DATABASE";

/// Brings the database to the newest schema. One that is there already needs no right but to read it.
pub(super) fn prepare(session: &mut Session) -> Tried<()> {
    let row = session.client.query_one("SELECT current_setting('server_encoding'), current_schema()::TEXT", &[])?;
    let encoding: &str = row.try_get(0)?;
    if encoding != "UTF8" {
        let error = Error::new(ErrorKind::Store, format!("keeps text as {encoding}, which has no room for every name"));
        return Err(Failed::Refused(error.way_out("make a database by: createdb -E UTF8 -T template0 DATABASE")));
    }
    let schema: Option<&str> = row.try_get(1)?;
    if schema.is_none() {
        let error = Error::new(ErrorKind::Store, "there is no schema in the search_path of this user");
        return Err(Failed::Refused(error.way_out("make it by CREATE SCHEMA, or see the address's options")));
    }
    if is_newest(version(&mut session.client)?)? {
        return Ok(());
    }
    // Each statement must see what others have done by then, whatever the database's own default.
    let mut transaction = session.client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start()?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])?;
    // Asked again: another program may have done the work while this one waited for its turn.
    let made = version(&mut transaction)?;
    if is_newest(made)? {
        return Ok(());
    }
    if made == 0 {
        refuse_others(&mut transaction)?;
        let sql = format!(
            "CREATE TABLE {NOTED_IN} (version INTEGER PRIMARY KEY, made_at TIMESTAMPTZ NOT NULL DEFAULT now()); \
             COMMENT ON TABLE {NOTED_IN} IS 'The migrations that were made. Each brings the schema from one version to the next.'"
        );
        transaction.batch_execute(&sql)?;
    }
    for (version, migration) in (1..).zip(MIGRATIONS).skip(usize::try_from(made).unwrap_or(0)) {
        transaction.batch_execute(migration)?;
        transaction.execute(&format!("INSERT INTO {NOTED_IN} (version) VALUES ($1)"), &[&version])?;
    }
    Ok(transaction.commit()?)
}

/// Whether this is the newest version; an error if it is newer than that.
fn is_newest(version: i32) -> Tried<bool> {
    let newest = i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX);
    if version > newest {
        let message = format!("has schema version {version}, newer than the {newest} that this program knows");
        return Err(Failed::Refused(Error::new(ErrorKind::Store, message).way_out(OTHER_DATABASE)));
    }
    Ok(version == newest)
}

/// The version of the schema, 0 if there is none.
fn version(client: &mut impl postgres::GenericClient) -> Tried<i32> {
    if present(client, &[NOTED_IN])?.is_empty() {
        return Ok(0);
    }
    Ok(client.query_one(&format!("SELECT COALESCE(MAX(version), 0) FROM {NOTED_IN}"), &[])?.try_get(0)?)
}

fn refuse_others(client: &mut impl postgres::GenericClient) -> Tried<()> {
    match present(client, &NAMES)?.first() {
        None => Ok(()),
        Some(table) => {
            let message = format!("is a database of another program: it has a `{table}` that this one did not make");
            Err(Failed::Refused(Error::new(ErrorKind::Store, message).way_out(OTHER_DATABASE)))
        }
    }
}

/// Which of these tables and views are in the schema that new ones would be made in.
fn present(client: &mut impl postgres::GenericClient, names: &[&str]) -> Tried<Vec<String>> {
    let sql = "SELECT relname::TEXT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
               WHERE n.nspname = current_schema() AND relname = ANY($1) ORDER BY relname";
    client.query(sql, &[&names])?.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
