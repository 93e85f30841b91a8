-- Schema 1. All times are Unix seconds (UTC).

CREATE TABLE stations (
    code           TEXT PRIMARY KEY,
    name           TEXT,
    lat            REAL,
    lon            REAL,
    commune        TEXT,
    arrondissement TEXT,             -- outside Paris the commune
    capacity       INTEGER,          -- docks, as last reported
    last_reported  INTEGER NOT NULL, -- event time of the newest reading
    fetched_at     INTEGER NOT NULL  -- and when it was fetched
) STRICT, WITHOUT ROWID;

-- One row for each station and window: everything the window needs to go on. By window first, because windows are
-- written in the order of time: new rows go to the end.
CREATE TABLE station_windows (
    window_start     INTEGER NOT NULL,
    window_seconds   INTEGER NOT NULL,
    station_code     TEXT    NOT NULL REFERENCES stations (code),
    readings         INTEGER NOT NULL, -- different readings in the window
    closed           INTEGER NOT NULL, -- of them, those of the closed station, which are in nothing below
    event_times      BLOB    NOT NULL, -- milliseconds from window_start of each reading: u32, little-endian, ascending
    capacity_count   INTEGER NOT NULL,
    capacity_sum     REAL    NOT NULL,
    mechanical_count INTEGER NOT NULL,
    mechanical_sum   REAL    NOT NULL,
    mechanical_min   REAL,
    mechanical_max   REAL,
    ebike_count      INTEGER NOT NULL,
    ebike_sum        REAL    NOT NULL,
    ebike_min        REAL,
    ebike_max        REAL,
    docks_count      INTEGER NOT NULL,
    docks_sum        REAL    NOT NULL,
    docks_min        REAL,
    docks_max        REAL,
    occupancy_count  INTEGER NOT NULL,
    occupancy_sum    REAL    NOT NULL,
    occupancy_min    REAL,
    occupancy_max    REAL,
    PRIMARY KEY (window_start, window_seconds, station_code)
) STRICT, WITHOUT ROWID;

CREATE INDEX station_windows_by_station ON station_windows (station_code);

-- Per station and window, ready to read.
CREATE VIEW station_statistics AS
SELECT
    w.station_code, s.name, s.commune, s.arrondissement, s.lat, s.lon,
    w.window_start, w.window_start + w.window_seconds AS window_end,
    w.readings, w.closed,
    w.capacity_sum / NULLIF(w.capacity_count, 0) AS capacity,
    w.mechanical_count, w.mechanical_sum / NULLIF(w.mechanical_count, 0) AS mechanical_mean, w.mechanical_min, w.mechanical_max,
    w.ebike_count, w.ebike_sum / NULLIF(w.ebike_count, 0) AS ebike_mean, w.ebike_min, w.ebike_max,
    w.docks_count, w.docks_sum / NULLIF(w.docks_count, 0) AS docks_mean, w.docks_min, w.docks_max,
    w.occupancy_count, w.occupancy_sum / NULLIF(w.occupancy_count, 0) AS occupancy_mean, w.occupancy_min, w.occupancy_max
FROM station_windows AS w JOIN stations AS s ON s.code = w.station_code;

-- Per zone and window: means weighted by the stations' capacities; minima, maxima and counts over all readings.
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
    SUM(w.readings) AS readings, SUM(w.closed) AS closed,
    SUM(w.capacity) AS capacity,
    SUM(w.mechanical_count) AS mechanical_count,
    SUM(w.mechanical_mean * w.capacity) / SUM(w.capacity) FILTER (WHERE w.mechanical_count > 0) AS mechanical_mean,
    MIN(w.mechanical_min) AS mechanical_min, MAX(w.mechanical_max) AS mechanical_max,
    SUM(w.ebike_count) AS ebike_count,
    SUM(w.ebike_mean * w.capacity) / SUM(w.capacity) FILTER (WHERE w.ebike_count > 0) AS ebike_mean,
    MIN(w.ebike_min) AS ebike_min, MAX(w.ebike_max) AS ebike_max,
    SUM(w.docks_count) AS docks_count,
    SUM(w.docks_mean * w.capacity) / SUM(w.capacity) FILTER (WHERE w.docks_count > 0) AS docks_mean,
    MIN(w.docks_min) AS docks_min, MAX(w.docks_max) AS docks_max,
    SUM(w.occupancy_count) AS occupancy_count,
    SUM(w.occupancy_mean * w.capacity) / SUM(w.capacity) FILTER (WHERE w.occupancy_count > 0) AS occupancy_mean,
    MIN(w.occupancy_min) AS occupancy_min, MAX(w.occupancy_max) AS occupancy_max
FROM station_statistics AS w
JOIN placed ON placed.code = w.station_code
JOIN known ON known.kind = placed.kind AND known.zone = placed.zone
GROUP BY placed.kind, placed.zone, w.window_start, w.window_end;
