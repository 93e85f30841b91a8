-- Schema 1, and the same as SQLite's 2. Columns that end in _ms are Unix milliseconds, the starts and ends of windows Unix
-- seconds (UTC). Keys go by their bytes, whatever the database's collation: all stores give rows in one order.

-- One row: which windows these are. If the slide is the length they do not overlap.
CREATE TABLE windowing (
    one            INTEGER PRIMARY KEY CHECK (one = 1),
    length_seconds BIGINT NOT NULL,
    slide_seconds  BIGINT NOT NULL
);

CREATE TABLE stations (
    code             TEXT COLLATE "C" PRIMARY KEY,
    name             TEXT,
    lat              DOUBLE PRECISION,
    lon              DOUBLE PRECISION,
    commune          TEXT COLLATE "C",
    arrondissement   TEXT COLLATE "C",  -- outside Paris the commune
    capacity         BIGINT,            -- docks, as last reported
    last_reported_ms BIGINT NOT NULL,   -- event time of the newest reading
    fetched_at_ms    BIGINT NOT NULL,   -- and when it was fetched
    clock_ms         BIGINT NOT NULL    -- the newest event time, none later than its arrival: windows until then are closed
) WITH (fillfactor = 50);               -- room on each page, because every reading of a station changes its row

-- One row for each station and window. There is no index by station, which would cost each transaction a page of every
-- station. For one station's rows go from window to window, as the index of the key does: see the crate's
-- streaming/store/postgres.rs.
CREATE TABLE station_windows (
    window_start                  BIGINT NOT NULL,
    window_end                    BIGINT NOT NULL,
    station_code                  TEXT COLLATE "C" NOT NULL, -- one of stations; not checked again for each row
    samples                       BYTEA NOT NULL, -- what each reading said, in order of time; see the crate's streaming/sample.rs
    readings                      BIGINT NOT NULL, -- different readings in the window
    revision                      BIGINT NOT NULL, -- of them, those that came late: each made the row another
    closed                        BIGINT NOT NULL, -- of them, those of the closed station, which are in no quantity
    capacity                      DOUBLE PRECISION, -- docks, mean over the readings while not closed
    full_share                    DOUBLE PRECISION, -- share of the known time in which the station was full, 0 to 1
    empty_share                   DOUBLE PRECISION, -- and empty
    mechanical_count              BIGINT NOT NULL, -- readings that knew it
    mechanical_mean               DOUBLE PRECISION, -- every reading counts once
    mechanical_time_weighted_mean DOUBLE PRECISION, -- every reading counts for as long as it held in the window
    mechanical_min                DOUBLE PRECISION,
    mechanical_max                DOUBLE PRECISION,
    mechanical_last               DOUBLE PRECISION,
    mechanical_rate               DOUBLE PRECISION, -- last less first, per hour
    mechanical_turnover           DOUBLE PRECISION, -- sum of the absolute changes
    ebike_count                   BIGINT NOT NULL,
    ebike_mean                    DOUBLE PRECISION,
    ebike_time_weighted_mean      DOUBLE PRECISION,
    ebike_min                     DOUBLE PRECISION,
    ebike_max                     DOUBLE PRECISION,
    ebike_last                    DOUBLE PRECISION,
    ebike_rate                    DOUBLE PRECISION,
    ebike_turnover                DOUBLE PRECISION,
    docks_count                   BIGINT NOT NULL,
    docks_mean                    DOUBLE PRECISION,
    docks_time_weighted_mean      DOUBLE PRECISION,
    docks_min                     DOUBLE PRECISION,
    docks_max                     DOUBLE PRECISION,
    docks_last                    DOUBLE PRECISION,
    docks_rate                    DOUBLE PRECISION,
    docks_turnover                DOUBLE PRECISION,
    occupancy_count               BIGINT NOT NULL,
    occupancy_mean                DOUBLE PRECISION,
    occupancy_time_weighted_mean  DOUBLE PRECISION,
    occupancy_min                 DOUBLE PRECISION,
    occupancy_max                 DOUBLE PRECISION,
    occupancy_last                DOUBLE PRECISION,
    occupancy_rate                DOUBLE PRECISION,
    occupancy_turnover            DOUBLE PRECISION,
    PRIMARY KEY (window_start, station_code)
);

-- Readings that came later than was allowed: whole, and in no window.
CREATE TABLE too_late (
    station_code     TEXT COLLATE "C" NOT NULL,
    last_reported_ms BIGINT NOT NULL,
    reading          TEXT   NOT NULL, -- the message, as JSON
    PRIMARY KEY (station_code, last_reported_ms)
);

-- How far each topic has been read. Written in the transaction of the windows: what was read before is in them, and nothing
-- else is.
CREATE TABLE positions (
    topic       TEXT    NOT NULL, -- CLUSTER/TOPIC
    partition   INTEGER NOT NULL,
    next_offset BIGINT  NOT NULL,
    PRIMARY KEY (topic, partition)
);

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
WITH placed (kind, zone, code) AS NOT MATERIALIZED (
    SELECT 'commune', commune, code FROM stations WHERE commune IS NOT NULL
    UNION ALL
    SELECT 'arrondissement', arrondissement, code FROM stations WHERE arrondissement IS NOT NULL
), known (kind, zone, stations) AS (
    SELECT kind, zone, COUNT(*) FROM placed GROUP BY kind, zone
)
SELECT
    placed.kind, placed.zone, w.window_start, w.window_end,
    COUNT(*) AS stations, known.stations AS expected,
    SUM(w.readings)::BIGINT AS readings, SUM(w.revision)::BIGINT AS revision, SUM(w.closed)::BIGINT AS closed,
    SUM(w.capacity) AS capacity,
    SUM(w.full_share * w.capacity) / NULLIF(SUM(w.capacity) FILTER (WHERE w.full_share IS NOT NULL), 0) AS full_share,
    SUM(w.empty_share * w.capacity) / NULLIF(SUM(w.capacity) FILTER (WHERE w.empty_share IS NOT NULL), 0) AS empty_share,
    SUM(w.mechanical_count)::BIGINT AS mechanical_count,
    SUM(w.mechanical_mean * w.capacity) / NULLIF(SUM(w.capacity) FILTER (WHERE w.mechanical_mean IS NOT NULL), 0) AS mechanical_mean,
    SUM(w.mechanical_time_weighted_mean * w.capacity) / NULLIF(SUM(w.capacity) FILTER (WHERE w.mechanical_time_weighted_mean IS NOT NULL), 0) AS mechanical_time_weighted_mean,
    MIN(w.mechanical_min) AS mechanical_min, MAX(w.mechanical_max) AS mechanical_max,
    SUM(w.mechanical_last * w.capacity) / NULLIF(SUM(w.capacity) FILTER (WHERE w.mechanical_last IS NOT NULL), 0) AS mechanical_last,
    SUM(w.mechanical_rate) AS mechanical_rate, SUM(w.mechanical_turnover) AS mechanical_turnover,
    SUM(w.ebike_count)::BIGINT AS ebike_count,
    SUM(w.ebike_mean * w.capacity) / NULLIF(SUM(w.capacity) FILTER (WHERE w.ebike_mean IS NOT NULL), 0) AS ebike_mean,
    SUM(w.ebike_time_weighted_mean * w.capacity) / NULLIF(SUM(w.capacity) FILTER (WHERE w.ebike_time_weighted_mean IS NOT NULL), 0) AS ebike_time_weighted_mean,
    MIN(w.ebike_min) AS ebike_min, MAX(w.ebike_max) AS ebike_max,
    SUM(w.ebike_last * w.capacity) / NULLIF(SUM(w.capacity) FILTER (WHERE w.ebike_last IS NOT NULL), 0) AS ebike_last,
    SUM(w.ebike_rate) AS ebike_rate, SUM(w.ebike_turnover) AS ebike_turnover,
    SUM(w.docks_count)::BIGINT AS docks_count,
    SUM(w.docks_mean * w.capacity) / NULLIF(SUM(w.capacity) FILTER (WHERE w.docks_mean IS NOT NULL), 0) AS docks_mean,
    SUM(w.docks_time_weighted_mean * w.capacity) / NULLIF(SUM(w.capacity) FILTER (WHERE w.docks_time_weighted_mean IS NOT NULL), 0) AS docks_time_weighted_mean,
    MIN(w.docks_min) AS docks_min, MAX(w.docks_max) AS docks_max,
    SUM(w.docks_last * w.capacity) / NULLIF(SUM(w.capacity) FILTER (WHERE w.docks_last IS NOT NULL), 0) AS docks_last,
    SUM(w.docks_rate) AS docks_rate, SUM(w.docks_turnover) AS docks_turnover,
    SUM(w.occupancy_count)::BIGINT AS occupancy_count,
    SUM(w.occupancy_mean * w.capacity) / NULLIF(SUM(w.capacity) FILTER (WHERE w.occupancy_mean IS NOT NULL), 0) AS occupancy_mean,
    SUM(w.occupancy_time_weighted_mean * w.capacity) / NULLIF(SUM(w.capacity) FILTER (WHERE w.occupancy_time_weighted_mean IS NOT NULL), 0) AS occupancy_time_weighted_mean,
    MIN(w.occupancy_min) AS occupancy_min, MAX(w.occupancy_max) AS occupancy_max,
    SUM(w.occupancy_last * w.capacity) / NULLIF(SUM(w.capacity) FILTER (WHERE w.occupancy_last IS NOT NULL), 0) AS occupancy_last,
    SUM(w.occupancy_rate * w.capacity) / NULLIF(SUM(w.capacity) FILTER (WHERE w.occupancy_rate IS NOT NULL), 0) AS occupancy_rate,
    SUM(w.occupancy_turnover * w.capacity) / NULLIF(SUM(w.capacity) FILTER (WHERE w.occupancy_turnover IS NOT NULL), 0) AS occupancy_turnover
FROM station_statistics AS w
JOIN placed ON placed.code = w.station_code
JOIN known ON known.kind = placed.kind AND known.zone = placed.zone
GROUP BY placed.kind, placed.zone, known.stations, w.window_start, w.window_end;

-- What psql shows by \d+: the comments above are not kept in the database.
COMMENT ON TABLE windowing IS 'Which windows these are. If the slide is the length they do not overlap.';
COMMENT ON TABLE stations IS 'The stations, as their newest readings describe them. Columns that end in _ms are Unix milliseconds.';
COMMENT ON COLUMN stations.arrondissement IS 'Outside Paris the commune.';
COMMENT ON COLUMN stations.capacity IS 'Docks, as last reported.';
COMMENT ON COLUMN stations.last_reported_ms IS 'Event time of the newest reading.';
COMMENT ON COLUMN stations.fetched_at_ms IS 'When that was fetched.';
COMMENT ON COLUMN stations.clock_ms IS 'The newest event time, none later than its arrival: windows until then are closed.';
COMMENT ON TABLE station_windows IS 'One row for each station and window. QUANTITY_count: readings that knew the quantity; _mean: every reading counts once; _time_weighted_mean: for as long as it held in the window; _rate: last less first, per hour; _turnover: sum of the absolute changes. Bikes and docks are counts, the occupancy is bikes per dock.';
COMMENT ON COLUMN station_windows.window_start IS 'Unix seconds; it belongs to the window.';
COMMENT ON COLUMN station_windows.window_end IS 'Unix seconds; it belongs to the next.';
COMMENT ON COLUMN station_windows.samples IS 'What each reading said, in order of time: what the statistics are computed from.';
COMMENT ON COLUMN station_windows.readings IS 'Different readings in the window.';
COMMENT ON COLUMN station_windows.revision IS 'Of them, those that came late: each made the row another.';
COMMENT ON COLUMN station_windows.closed IS 'Of them, those of the closed station, which are in no quantity.';
COMMENT ON COLUMN station_windows.capacity IS 'Docks, mean over the readings.';
COMMENT ON COLUMN station_windows.full_share IS 'Share of the known time in which the station was full, 0 to 1.';
COMMENT ON COLUMN station_windows.empty_share IS 'Share of the known time in which the station was empty, 0 to 1.';
COMMENT ON TABLE too_late IS 'Readings that came later than was allowed: whole, as JSON, and in no window.';
COMMENT ON TABLE positions IS 'How far each topic has been read, in the transaction of the windows: what was read before is in them, and nothing else is.';
COMMENT ON VIEW station_statistics IS 'Per station and window, ready to read; columns as in station_windows.';
COMMENT ON VIEW zone_statistics IS 'Per commune or arrondissement and window: means weighted by the stations'' capacities; minima, maxima and counts over all readings; rates and turnovers are sums, those of the occupancy means by capacity. stations: those that reported, expected: those that are known.';
