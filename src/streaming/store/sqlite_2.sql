-- Schema 2. Columns that end in _ms are Unix milliseconds, the starts and ends of windows Unix seconds (UTC).

-- One row: which windows these are. If the slide is the length they do not overlap.
CREATE TABLE windowing (
    one            INTEGER PRIMARY KEY CHECK (one = 1),
    length_seconds INTEGER NOT NULL,
    slide_seconds  INTEGER NOT NULL
) STRICT;

CREATE TABLE stations (
    code             TEXT PRIMARY KEY,
    name             TEXT,
    lat              REAL,
    lon              REAL,
    commune          TEXT,
    arrondissement   TEXT,             -- outside Paris the commune
    capacity         INTEGER,          -- docks, as last reported
    last_reported_ms INTEGER NOT NULL, -- event time of the newest reading
    fetched_at_ms    INTEGER NOT NULL, -- and when it was fetched
    clock_ms         INTEGER NOT NULL  -- the newest event time, none later than its arrival: windows until then are closed
) STRICT, WITHOUT ROWID;

-- One row for each station and window. By window first, because windows are written in the order of time: new rows go to
-- the end. There is no index by station, which would cost each transaction a page of every station. For one station's rows
-- go from window to window, which takes the same time: WHERE station_code = ? AND window_start IN (SELECT * FROM starts), with
-- starts as in: WITH RECURSIVE starts (start) AS (SELECT MIN(window_start) FROM station_windows UNION ALL
-- SELECT (SELECT MIN(window_start) FROM station_windows WHERE window_start > start) FROM starts WHERE start IS NOT NULL)
CREATE TABLE station_windows (
    window_start                  INTEGER NOT NULL,
    window_end                    INTEGER NOT NULL,
    station_code                  TEXT NOT NULL, -- one of stations; not checked again for each row
    samples                       BLOB NOT NULL, -- what each reading said, in order of time; see the crate's streaming/sample.rs
    readings                      INTEGER NOT NULL, -- different readings in the window
    revision                      INTEGER NOT NULL, -- of them, those that came late: each made the row another
    closed                        INTEGER NOT NULL, -- of them, those of the closed station, which are in no quantity
    capacity                      REAL, -- docks, mean over the readings while not closed
    full_share                    REAL, -- share of the known time in which the station was full, 0 to 1
    empty_share                   REAL, -- and empty
    mechanical_count              INTEGER NOT NULL, -- readings that knew it
    mechanical_mean               REAL, -- every reading counts once
    mechanical_time_weighted_mean REAL, -- every reading counts for as long as it held in the window
    mechanical_min                REAL,
    mechanical_max                REAL,
    mechanical_last               REAL,
    mechanical_rate               REAL, -- last less first, per hour
    mechanical_turnover           REAL, -- sum of the absolute changes
    ebike_count                   INTEGER NOT NULL,
    ebike_mean                    REAL,
    ebike_time_weighted_mean      REAL,
    ebike_min                     REAL,
    ebike_max                     REAL,
    ebike_last                    REAL,
    ebike_rate                    REAL,
    ebike_turnover                REAL,
    docks_count                   INTEGER NOT NULL,
    docks_mean                    REAL,
    docks_time_weighted_mean      REAL,
    docks_min                     REAL,
    docks_max                     REAL,
    docks_last                    REAL,
    docks_rate                    REAL,
    docks_turnover                REAL,
    occupancy_count               INTEGER NOT NULL,
    occupancy_mean                REAL,
    occupancy_time_weighted_mean  REAL,
    occupancy_min                 REAL,
    occupancy_max                 REAL,
    occupancy_last                REAL,
    occupancy_rate                REAL,
    occupancy_turnover            REAL,
    PRIMARY KEY (window_start, station_code)
) STRICT, WITHOUT ROWID;

-- Readings that came later than was allowed: whole, and in no window.
CREATE TABLE too_late (
    station_code     TEXT    NOT NULL,
    last_reported_ms INTEGER NOT NULL,
    reading          TEXT    NOT NULL, -- the message, as JSON
    PRIMARY KEY (station_code, last_reported_ms)
) STRICT, WITHOUT ROWID;

-- How far each topic has been read. Written in the transaction of the windows: what was read before is in them, and nothing
-- else is.
CREATE TABLE positions (
    topic       TEXT    NOT NULL, -- CLUSTER/TOPIC
    partition   INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;

-- Per station and window, ready to read.
CREATE VIEW station_statistics AS
SELECT
    w.station_code, s.name, s.commune, s.arrondissement, s.lat, s.lon,
    w.window_start, w.window_end, w.readings, w.revision, w.closed, w.capacity, w.full_share, w.empty_share,
    w.mechanical_count, w.mechanical_mean, w.mechanical_time_weighted_mean, w.mechanical_min, w.mechanical_max, w.mechanical_last, w.mechanical_rate, w.mechanical_turnover,
    w.ebike_count, w.ebike_mean, w.ebike_time_weighted_mean, w.ebike_min, w.ebike_max, w.ebike_last, w.ebike_rate, w.ebike_turnover,
    w.docks_count, w.docks_mean, w.docks_time_weighted_mean, w.docks_min, w.docks_max, w.docks_last, w.docks_rate, w.docks_turnover,
    w.occupancy_count, w.occupancy_mean, w.occupancy_time_weighted_mean, w.occupancy_min, w.occupancy_max, w.occupancy_last, w.occupancy_rate, w.occupancy_turnover
FROM station_windows AS w JOIN stations AS s ON s.code = w.station_code;

-- Per zone and window: means weighted by the stations' capacities; minima, maxima and counts over all readings; rates and
-- turnovers are sums, those of the occupancy means by capacity.
CREATE VIEW zone_statistics AS
WITH placed (kind, zone, code) AS (
    SELECT 'commune', commune, code FROM stations WHERE commune IS NOT NULL
    UNION ALL
    SELECT 'arrondissement', arrondissement, code FROM stations WHERE arrondissement IS NOT NULL
), known (kind, zone, stations) AS (
    SELECT kind, zone, COUNT(*) FROM placed GROUP BY kind, zone
)
SELECT
    placed.kind, placed.zone, w.window_start, w.window_end,
    COUNT(*) AS stations, known.stations AS expected,
    SUM(w.readings) AS readings, SUM(w.revision) AS revision, SUM(w.closed) AS closed,
    SUM(w.capacity) AS capacity,
    SUM(w.full_share * w.capacity) / SUM(w.capacity) FILTER (WHERE w.full_share IS NOT NULL) AS full_share,
    SUM(w.empty_share * w.capacity) / SUM(w.capacity) FILTER (WHERE w.empty_share IS NOT NULL) AS empty_share,
    SUM(w.mechanical_count) AS mechanical_count,
    SUM(w.mechanical_mean * w.capacity) / SUM(w.capacity) FILTER (WHERE w.mechanical_mean IS NOT NULL) AS mechanical_mean,
    SUM(w.mechanical_time_weighted_mean * w.capacity) / SUM(w.capacity) FILTER (WHERE w.mechanical_time_weighted_mean IS NOT NULL) AS mechanical_time_weighted_mean,
    MIN(w.mechanical_min) AS mechanical_min, MAX(w.mechanical_max) AS mechanical_max,
    SUM(w.mechanical_last * w.capacity) / SUM(w.capacity) FILTER (WHERE w.mechanical_last IS NOT NULL) AS mechanical_last,
    SUM(w.mechanical_rate) AS mechanical_rate, SUM(w.mechanical_turnover) AS mechanical_turnover,
    SUM(w.ebike_count) AS ebike_count,
    SUM(w.ebike_mean * w.capacity) / SUM(w.capacity) FILTER (WHERE w.ebike_mean IS NOT NULL) AS ebike_mean,
    SUM(w.ebike_time_weighted_mean * w.capacity) / SUM(w.capacity) FILTER (WHERE w.ebike_time_weighted_mean IS NOT NULL) AS ebike_time_weighted_mean,
    MIN(w.ebike_min) AS ebike_min, MAX(w.ebike_max) AS ebike_max,
    SUM(w.ebike_last * w.capacity) / SUM(w.capacity) FILTER (WHERE w.ebike_last IS NOT NULL) AS ebike_last,
    SUM(w.ebike_rate) AS ebike_rate, SUM(w.ebike_turnover) AS ebike_turnover,
    SUM(w.docks_count) AS docks_count,
    SUM(w.docks_mean * w.capacity) / SUM(w.capacity) FILTER (WHERE w.docks_mean IS NOT NULL) AS docks_mean,
    SUM(w.docks_time_weighted_mean * w.capacity) / SUM(w.capacity) FILTER (WHERE w.docks_time_weighted_mean IS NOT NULL) AS docks_time_weighted_mean,
    MIN(w.docks_min) AS docks_min, MAX(w.docks_max) AS docks_max,
    SUM(w.docks_last * w.capacity) / SUM(w.capacity) FILTER (WHERE w.docks_last IS NOT NULL) AS docks_last,
    SUM(w.docks_rate) AS docks_rate, SUM(w.docks_turnover) AS docks_turnover,
    SUM(w.occupancy_count) AS occupancy_count,
    SUM(w.occupancy_mean * w.capacity) / SUM(w.capacity) FILTER (WHERE w.occupancy_mean IS NOT NULL) AS occupancy_mean,
    SUM(w.occupancy_time_weighted_mean * w.capacity) / SUM(w.capacity) FILTER (WHERE w.occupancy_time_weighted_mean IS NOT NULL) AS occupancy_time_weighted_mean,
    MIN(w.occupancy_min) AS occupancy_min, MAX(w.occupancy_max) AS occupancy_max,
    SUM(w.occupancy_last * w.capacity) / SUM(w.capacity) FILTER (WHERE w.occupancy_last IS NOT NULL) AS occupancy_last,
    SUM(w.occupancy_rate * w.capacity) / SUM(w.capacity) FILTER (WHERE w.occupancy_rate IS NOT NULL) AS occupancy_rate,
    SUM(w.occupancy_turnover * w.capacity) / SUM(w.capacity) FILTER (WHERE w.occupancy_turnover IS NOT NULL) AS occupancy_turnover
FROM station_statistics AS w
JOIN placed ON placed.code = w.station_code
JOIN known ON known.kind = placed.kind AND known.zone = placed.zone
GROUP BY placed.kind, placed.zone, w.window_start, w.window_end;
