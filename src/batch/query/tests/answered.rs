//! The usual queries that are answered, as SQLite answers them.

/// What both databases are asked alike, or, where SQLite writes it in its own way, that too.
pub(super) const RIGHT: &[(&str, &str)] = &[
    ("SELECT stationcode, numdocksavailable FROM readings WHERE numdocksavailable > 2", ""),
    ("SELECT * FROM readings WHERE name IS NULL", ""),
    (
        "SELECT stationcode AS s, AVG(numdocksavailable) AS m, MIN(numdocksavailable) AS a, MAX(numdocksavailable) AS b FROM readings GROUP BY stationcode",
        "",
    ),
    (
        "SELECT stationcode, COUNT(*) AS a, COUNT(numdocksavailable) AS b, COUNT(DISTINCT numdocksavailable) AS c FROM readings GROUP BY stationcode",
        "",
    ),
    (
        "SELECT COUNT(*) AS a, SUM(numdocksavailable) AS s, AVG(numdocksavailable) AS m, MIN(numdocksavailable) AS lo, MAX(name) AS hi FROM readings",
        "",
    ),
    (
        "SELECT COUNT(*) AS a, SUM(numdocksavailable) AS s, AVG(numdocksavailable) AS m, MIN(numdocksavailable) AS lo FROM readings WHERE numdocksavailable > 100",
        "",
    ),
    (
        "SELECT stationcode, COUNT(*) AS n FROM readings GROUP BY stationcode HAVING COUNT(*) > 10 AND AVG(numdocksavailable) < 3",
        "",
    ),
    (
        "SELECT commune, arrondissement, COUNT(*) AS n FROM readings GROUP BY commune, arrondissement ORDER BY n, commune NULLS FIRST, arrondissement NULLS FIRST",
        "",
    ),
    ("SELECT commune, COUNT(*) AS n FROM readings GROUP BY 1 ORDER BY 2 DESC, 1 NULLS LAST", ""),
    ("SELECT numdocksavailable % 2 AS odd, COUNT(*) AS n FROM readings GROUP BY numdocksavailable % 2", ""),
    (
        "SELECT numdocksavailable % 2 AS odd, numdocksavailable % 3 AS three, COUNT(*) AS n FROM readings GROUP BY odd, three",
        "",
    ),
    (
        "SELECT stationcode, 2 * SUM(numdocksavailable) + MAX(numbikesavailable) AS n, MAX(numdocksavailable) > 3 AS k FROM readings GROUP BY stationcode",
        "",
    ),
    (
        "SELECT stationcode, CASE WHEN MAX(numdocksavailable) > 4 THEN 'a' ELSE 'b' END AS k, COALESCE(MAX(numdocksavailable), 0) + 1 AS q FROM readings GROUP BY stationcode",
        "",
    ),
    ("SELECT DISTINCT stationcode, commune FROM readings", ""),
    ("SELECT DISTINCT numdocksavailable FROM readings ORDER BY numdocksavailable NULLS LAST LIMIT 3", ""),
    (
        "SELECT numdocksavailable, COUNT(*) AS n FROM readings WHERE numdocksavailable IS NOT NULL GROUP BY numdocksavailable ORDER BY n DESC, numdocksavailable LIMIT 3",
        "",
    ),
    (
        "SELECT numdocksavailable FROM readings ORDER BY numdocksavailable DESC LIMIT 5",
        "SELECT numdocksavailable FROM readings ORDER BY numdocksavailable DESC NULLS FIRST LIMIT 5",
    ),
    (
        "SELECT numdocksavailable FROM readings ORDER BY numdocksavailable LIMIT 9 OFFSET 3",
        "SELECT numdocksavailable FROM readings ORDER BY numdocksavailable NULLS LAST LIMIT 9 OFFSET 3",
    ),
    ("SELECT numdocksavailable FROM readings ORDER BY numdocksavailable DESC NULLS LAST LIMIT 25", ""),
    (
        "SELECT numdocksavailable + 1 AS d FROM readings ORDER BY numdocksavailable + numbikesavailable NULLS LAST, stationcode, duedate",
        "",
    ),
    (
        "SELECT numdocksavailable / NULLIF(numbikesavailable, 0) AS q, numdocksavailable % NULLIF(numbikesavailable, 0) AS r, numdocksavailable / 2 AS h FROM readings",
        "SELECT 1.0 * numdocksavailable / NULLIF(numbikesavailable, 0) AS q, numdocksavailable % NULLIF(numbikesavailable, 0) AS r, numdocksavailable / 2.0 AS h FROM readings",
    ),
    (
        "SELECT -numdocksavailable AS a, numdocksavailable - numbikesavailable AS b, 2 * (numdocksavailable + numbikesavailable) - 1 AS c, numdocksavailable * 1.5 AS d FROM readings",
        "",
    ),
    ("SELECT stationcode FROM readings WHERE numdocksavailable NOT IN (1, 2)", ""),
    ("SELECT stationcode FROM readings WHERE numdocksavailable NOT IN (1, NULL) OR numdocksavailable IN (2, NULL)", ""),
    ("SELECT stationcode FROM readings WHERE name IN ('Benjamin Godard', 'x')", ""),
    (
        "SELECT stationcode FROM readings WHERE numdocksavailable IN (SELECT numbikesavailable FROM readings WHERE open)",
        "",
    ),
    (
        "SELECT stationcode FROM readings WHERE stationcode NOT IN (SELECT stationcode FROM stations WHERE capacity > 2)",
        "",
    ),
    ("SELECT stationcode FROM readings WHERE numdocksavailable NOT IN (SELECT numbikesavailable FROM readings)", ""),
    (
        "SELECT stationcode FROM readings WHERE numdocksavailable NOT IN (SELECT numbikesavailable FROM readings WHERE numbikesavailable > 3)",
        "",
    ),
    (
        "SELECT stationcode FROM readings WHERE numdocksavailable NOT IN (SELECT numbikesavailable FROM readings WHERE numbikesavailable > 300)",
        "",
    ),
    (
        "SELECT stationcode FROM readings WHERE numdocksavailable IN (SELECT capacity FROM stations) OR numbikesavailable > 3",
        "",
    ),
    (
        "SELECT stationcode FROM readings WHERE NOT (numdocksavailable IN (SELECT capacity FROM stations WHERE capacity > 0))",
        "",
    ),
    (
        "SELECT stationcode FROM readings WHERE stationcode IN (SELECT stationcode FROM readings GROUP BY stationcode HAVING COUNT(*) > 10)",
        "",
    ),
    (
        "SELECT stationcode, CASE WHEN numdocksavailable > 2 THEN 'many' WHEN numdocksavailable = 0 THEN 'none' ELSE 'few' END AS c FROM readings",
        "",
    ),
    ("SELECT CASE numdocksavailable WHEN 0 THEN 'none' WHEN 1 THEN 'one' END AS c FROM readings", ""),
    ("SELECT CASE WHEN numdocksavailable > 2 THEN 1 WHEN numdocksavailable IS NULL THEN 2 END AS c FROM readings", ""),
    (
        "SELECT stationcode, SUM(CASE WHEN open THEN 1 ELSE 0 END) AS c, AVG(CASE WHEN open THEN numdocksavailable END) AS d FROM readings GROUP BY stationcode",
        "",
    ),
    (
        "SELECT stationcode, COUNT(*) FILTER (WHERE open) AS c, AVG(numdocksavailable) FILTER (WHERE numbikesavailable > 2) AS d, SUM(numdocksavailable) FILTER (WHERE numbikesavailable > 3) AS e FROM readings GROUP BY stationcode",
        "",
    ),
    ("SELECT COUNT(*) FILTER (WHERE numbikesavailable > 2) AS c, COUNT(*) AS n FROM readings", ""),
    ("SELECT stationcode FROM readings WHERE NOT open", ""),
    ("SELECT stationcode FROM readings WHERE NOT COALESCE(open, FALSE) AND NOT (open AND numdocksavailable > 2)", ""),
    ("SELECT stationcode FROM readings WHERE numdocksavailable <> numbikesavailable OR name = 'Benjamin Godard'", ""),
    (
        "SELECT NOT (numdocksavailable > 2 AND numbikesavailable > 2) AS a, numdocksavailable > 2 OR numbikesavailable > 2 AS b, numdocksavailable <> 2 AS c, numdocksavailable IN (1, NULL) AS d FROM readings",
        "",
    ),
    ("SELECT stationcode FROM readings WHERE numdocksavailable IS DISTINCT FROM numbikesavailable", ""),
    ("SELECT numdocksavailable IS NOT DISTINCT FROM numbikesavailable AS a FROM readings", ""),
    ("SELECT stationcode FROM readings WHERE numdocksavailable BETWEEN 2 AND numbikesavailable", ""),
    ("SELECT stationcode FROM readings WHERE numdocksavailable NOT BETWEEN 2 AND numbikesavailable", ""),
    ("SELECT duedate FROM readings WHERE duedate BETWEEN '2022-04-15 05:30:00' AND '2022-04-15 05:45:00'", ""),
    (
        "SELECT duedate FROM readings WHERE duedate >= '2022-04-15' AND duedate < '2022-04-15T05:30:00'",
        "SELECT duedate FROM readings WHERE duedate >= '2022-04-15' AND duedate < '2022-04-15 05:30:00'",
    ),
    ("SELECT r.duedate FROM readings AS r WHERE r.duedate >= '2022-04-15 05:30:00'", ""),
    ("SELECT MAX(duedate) AS a, MIN(duedate) AS b FROM readings", ""),
    (
        "SELECT EXTRACT(HOUR FROM duedate) AS h, COUNT(*) AS n FROM readings GROUP BY h",
        "SELECT CAST(strftime('%H', duedate) AS INT) AS h, COUNT(*) AS n FROM readings GROUP BY h",
    ),
    (
        "SELECT EXTRACT(MINUTE FROM duedate) AS h, AVG(numdocksavailable) AS n FROM readings GROUP BY EXTRACT(MINUTE FROM duedate) ORDER BY h",
        "SELECT CAST(strftime('%M', duedate) AS INT) AS h, AVG(numdocksavailable) AS n FROM readings GROUP BY h ORDER BY h",
    ),
    (
        "SELECT EXTRACT(ISODOW FROM duedate) AS i, EXTRACT(DOW FROM duedate) AS z, EXTRACT(MONTH FROM duedate) AS m, EXTRACT(YEAR FROM duedate) AS y, EXTRACT(DAY FROM duedate) AS d, EXTRACT(SECOND FROM duedate) AS s, EXTRACT(DOY FROM duedate) AS dd FROM readings",
        "SELECT CAST(strftime('%u', duedate) AS INT), CAST(strftime('%w', duedate) AS INT), CAST(strftime('%m', duedate) AS INT), CAST(strftime('%Y', duedate) AS INT), CAST(strftime('%d', duedate) AS INT), CAST(strftime('%S', duedate) AS INT), CAST(strftime('%j', duedate) AS INT) FROM readings",
    ),
    (
        "SELECT EXTRACT(HOUR FROM duedate) * 60 + EXTRACT(MINUTE FROM duedate) AS n FROM readings",
        "SELECT CAST(strftime('%H', duedate) AS INT) * 60 + CAST(strftime('%M', duedate) AS INT) FROM readings",
    ),
    (
        "SELECT CAST(duedate AS DATE) AS d, COUNT(*) AS n FROM readings GROUP BY d",
        "SELECT date(duedate) AS d, COUNT(*) FROM readings GROUP BY d",
    ),
    (
        "SELECT duedate FROM readings WHERE CAST(duedate AS DATE) = '2022-04-15'",
        "SELECT duedate FROM readings WHERE date(duedate) = '2022-04-15'",
    ),
    (
        "SELECT STRFTIME(duedate, '%Y-%m-%d %H:00') AS d, COUNT(*) AS n FROM readings GROUP BY d",
        "SELECT strftime('%Y-%m-%d %H:00', duedate) AS d, COUNT(*) FROM readings GROUP BY d",
    ),
    (
        "SELECT duedate + INTERVAL '1 hour' AS a, duedate - INTERVAL '2 days' AS b, duedate - INTERVAL '90 minutes' AS c FROM readings",
        "SELECT datetime(duedate, '+1 hour'), datetime(duedate, '-2 days'), datetime(duedate, '-90 minutes') FROM readings",
    ),
    (
        "SELECT duedate, LAG(numdocksavailable) OVER (PARTITION BY stationcode ORDER BY duedate) AS l, LEAD(numdocksavailable, 2) OVER (PARTITION BY stationcode ORDER BY duedate) AS m FROM readings",
        "",
    ),
    (
        "SELECT duedate, numdocksavailable - LAG(numdocksavailable) OVER (PARTITION BY stationcode ORDER BY duedate DESC) AS l FROM readings WHERE numdocksavailable > 1",
        "",
    ),
    ("SELECT stationcode, LAG(stationcode) OVER (ORDER BY stationcode, duedate) AS l FROM readings", ""),
    (
        "SELECT stationcode, duedate, ROW_NUMBER() OVER (PARTITION BY stationcode ORDER BY duedate DESC) AS k FROM readings",
        "",
    ),
    ("SELECT ROW_NUMBER() OVER (ORDER BY duedate DESC) AS k FROM readings", ""),
    (
        "SELECT stationcode, AVG(numdocksavailable) OVER (PARTITION BY stationcode) AS m, COUNT(*) OVER (PARTITION BY stationcode) AS n, MIN(numdocksavailable) OVER (PARTITION BY stationcode, commune) AS lo, SUM(numdocksavailable) OVER (PARTITION BY commune) AS c FROM readings",
        "",
    ),
    (
        "SELECT stationcode, numdocksavailable - AVG(numdocksavailable) OVER (PARTITION BY stationcode) AS l FROM readings ORDER BY stationcode, duedate",
        "",
    ),
    ("SELECT COUNT(*) OVER (PARTITION BY stationcode) AS l FROM readings", ""),
    (
        "SELECT duedate, SUM(numdocksavailable) OVER (PARTITION BY stationcode ORDER BY duedate ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS l, COUNT(numdocksavailable) OVER (PARTITION BY stationcode ORDER BY duedate ROWS UNBOUNDED PRECEDING) AS m, COUNT(*) OVER (PARTITION BY stationcode ORDER BY duedate ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS n FROM readings",
        "",
    ),
    (
        "SELECT duedate, MIN(numdocksavailable) OVER (PARTITION BY stationcode ORDER BY duedate ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS l, MAX(numdocksavailable) OVER (PARTITION BY stationcode ORDER BY duedate ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS m FROM readings",
        "",
    ),
    (
        "SELECT stationcode, duedate, numdocksavailable FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY stationcode ORDER BY duedate DESC) AS k FROM readings) AS t WHERE k = 1",
        "",
    ),
    (
        "WITH t AS (SELECT stationcode, AVG(numdocksavailable) AS m FROM readings GROUP BY stationcode) SELECT r.stationcode, r.numdocksavailable, t.m FROM readings AS r JOIN t ON r.stationcode = t.stationcode WHERE r.numdocksavailable > t.m",
        "",
    ),
    (
        "WITH a AS (SELECT stationcode, numdocksavailable FROM readings WHERE numdocksavailable > 2), b AS (SELECT stationcode, COUNT(*) AS n FROM a GROUP BY stationcode) SELECT * FROM b",
        "",
    ),
    (
        "WITH m AS (SELECT AVG(numdocksavailable) AS x FROM readings) SELECT stationcode, numdocksavailable - x AS d FROM readings CROSS JOIN m",
        "",
    ),
    (
        "SELECT r.stationcode, r.numdocksavailable, s.capacity, s.name AS sn FROM readings AS r JOIN stations AS s ON r.stationcode = s.stationcode",
        "",
    ),
    ("SELECT stationcode, numdocksavailable, first_duedate FROM readings JOIN stations USING (stationcode)", ""),
    (
        "SELECT r.stationcode, s.capacity, s.name AS sn, r.name AS rn FROM readings AS r LEFT JOIN stations AS s ON r.numdocksavailable = s.capacity",
        "",
    ),
    (
        "SELECT r.stationcode, s.stationcode AS x FROM readings AS r LEFT JOIN stations AS s ON r.numdocksavailable = s.capacity WHERE s.capacity IS NULL",
        "",
    ),
    (
        "SELECT r.stationcode, s.stationcode AS x FROM readings AS r LEFT JOIN (SELECT * FROM stations WHERE capacity > 3) AS s ON r.stationcode = s.stationcode",
        "",
    ),
    (
        "SELECT s.stationcode, COUNT(r.numdocksavailable) AS n, COUNT(*) AS m FROM stations AS s LEFT JOIN readings AS r ON r.numdocksavailable = s.capacity GROUP BY s.stationcode",
        "",
    ),
    (
        "SELECT s.name, AVG(r.numdocksavailable) AS m FROM stations AS s JOIN readings AS r ON r.stationcode = s.stationcode GROUP BY s.name",
        "",
    ),
    (
        "SELECT sn, rn, COUNT(*) AS m FROM (SELECT s.name AS sn, r.name AS rn FROM readings AS r JOIN stations AS s ON r.stationcode = s.stationcode WHERE s.name = 'Benjamin Godard') AS t GROUP BY sn, rn",
        "",
    ),
    ("SELECT s.*, r.numdocksavailable FROM readings AS r JOIN stations AS s ON r.stationcode = s.stationcode", ""),
    (
        "SELECT a.stationcode, a.numdocksavailable, b.numdocksavailable AS other FROM readings AS a JOIN readings AS b ON a.stationcode = b.stationcode AND a.numdocksavailable = b.numbikesavailable",
        "",
    ),
    (
        "SELECT a.duedate AS x, b.duedate AS y, a.numdocksavailable + b.numdocksavailable AS z FROM readings AS a JOIN readings AS b ON a.stationcode = b.stationcode WHERE b.duedate > a.duedate",
        "",
    ),
    (
        "SELECT r.numdocksavailable, m.x FROM readings AS r CROSS JOIN (SELECT MAX(numdocksavailable) AS x FROM readings) AS m WHERE r.numdocksavailable < m.x",
        "",
    ),
    (
        "SELECT a.name AS x, s.name AS y, b.name AS z FROM readings AS a JOIN stations AS s ON a.stationcode = s.stationcode JOIN stations AS b ON a.numdocksavailable = b.capacity",
        "",
    ),
    ("SELECT stationcode FROM readings UNION SELECT stationcode FROM stations", ""),
    (
        "SELECT stationcode AS a FROM readings UNION ALL SELECT name FROM stations UNION ALL SELECT commune FROM stations",
        "",
    ),
    (
        "WITH u AS (SELECT stationcode, numdocksavailable FROM readings UNION ALL SELECT stationcode, capacity FROM stations) SELECT * FROM u ORDER BY numdocksavailable NULLS LAST, stationcode LIMIT 7",
        "",
    ),
    (
        "SELECT n, COUNT(*) AS k FROM (SELECT stationcode, COUNT(*) AS n FROM readings GROUP BY stationcode, commune) AS t GROUP BY n",
        "",
    ),
    (
        "SELECT SUM(x) AS n FROM (SELECT numdocksavailable AS x FROM readings ORDER BY numdocksavailable DESC NULLS LAST LIMIT 5) AS t",
        "",
    ),
    (
        "SELECT UPPER(commune) AS u, LOWER(commune) AS l, LENGTH(name) AS n, commune || '!' AS e, SUBSTR(name, 2, 3) AS s FROM readings",
        "",
    ),
    (
        "SELECT TRIM(name) AS t, REPLACE(name, 'a', '$0') AS r, LEFT(name, 2) AS l, LEFT(name, 100) AS m, SUBSTRING(name FROM 2) AS s FROM readings",
        "SELECT TRIM(name), REPLACE(name, 'a', '$0'), SUBSTR(name, 1, 2), name, SUBSTR(name, 2) FROM readings",
    ),
    ("SELECT stationcode FROM readings WHERE name LIKE '%, b_s' OR name NOT LIKE '%a%'", ""),
    (
        "SELECT stationcode FROM readings WHERE commune ILIKE 'PARIS'",
        "SELECT stationcode FROM readings WHERE LOWER(commune) LIKE 'paris'",
    ),
    (
        "SELECT stationcode FROM readings WHERE STARTS_WITH(stationcode, '1') OR ENDS_WITH(stationcode, '2')",
        "SELECT stationcode FROM readings WHERE stationcode LIKE '1%' OR stationcode LIKE '%2'",
    ),
    (
        "SELECT CONCAT(commune, '-', stationcode) AS c FROM readings",
        "SELECT COALESCE(commune, '') || '-' || stationcode FROM readings",
    ),
    (
        "SELECT COALESCE(numdocksavailable, numbikesavailable, -1) AS u, NULLIF(numdocksavailable, 3) AS v, IFNULL(numdocksavailable, 0) AS w, IF(numdocksavailable > 2, 1, 0) + 1 AS i FROM readings",
        "SELECT COALESCE(numdocksavailable, numbikesavailable, -1), NULLIF(numdocksavailable, 3), IFNULL(numdocksavailable, 0), CASE WHEN numdocksavailable > 2 THEN 2 ELSE 1 END FROM readings",
    ),
    (
        "SELECT ABS(lat) AS a, FLOOR(lat) AS f, CEIL(lat) AS c, ROUND(lat, 1) AS r, ROUND(lat) AS z FROM readings",
        "SELECT ABS(lat), CAST(lat AS INT) - (lat < CAST(lat AS INT)), CAST(lat AS INT) + (lat > CAST(lat AS INT)), ROUND(lat, 1), ROUND(lat) FROM readings",
    ),
    (
        "SELECT GREATEST(numdocksavailable, numbikesavailable) AS g, LEAST(numdocksavailable, numbikesavailable) AS l FROM readings",
        "SELECT CASE WHEN numdocksavailable IS NULL THEN numbikesavailable WHEN numbikesavailable IS NULL THEN numdocksavailable ELSE MAX(numdocksavailable, numbikesavailable) END, CASE WHEN numdocksavailable IS NULL THEN numbikesavailable WHEN numbikesavailable IS NULL THEN numdocksavailable ELSE MIN(numdocksavailable, numbikesavailable) END FROM readings",
    ),
    (
        "SELECT CAST(numdocksavailable AS DOUBLE) / 4 AS a, CAST(lat AS BIGINT) AS b, CAST(numdocksavailable AS VARCHAR) AS c, numdocksavailable::DOUBLE AS d FROM readings",
        "SELECT numdocksavailable / 4.0, CAST(lat AS INT), CAST(numdocksavailable AS TEXT), numdocksavailable FROM readings",
    ),
    (
        "SELECT MEDIAN(numdocksavailable) AS m FROM readings",
        "SELECT AVG(numdocksavailable) FROM (SELECT numdocksavailable FROM readings WHERE numdocksavailable IS NOT NULL ORDER BY numdocksavailable LIMIT 2 - (SELECT COUNT(numdocksavailable) FROM readings) % 2 OFFSET (SELECT (COUNT(numdocksavailable) - 1) / 2 FROM readings))",
    ),
    (
        "SELECT stationcode, VARIANCE(numdocksavailable) AS v FROM readings GROUP BY stationcode",
        "SELECT stationcode, (SUM(numdocksavailable * numdocksavailable) - 1.0 * SUM(numdocksavailable) * SUM(numdocksavailable) / COUNT(numdocksavailable)) / NULLIF(COUNT(numdocksavailable) - 1, 0) FROM readings GROUP BY stationcode",
    ),
    (
        "SELECT STDDEV(numdocksavailable) * STDDEV(numdocksavailable) AS v FROM readings",
        "SELECT (SUM(numdocksavailable * numdocksavailable) - 1.0 * SUM(numdocksavailable) * SUM(numdocksavailable) / COUNT(numdocksavailable)) / NULLIF(COUNT(numdocksavailable) - 1, 0) FROM readings",
    ),
    ("SELECT numdocksavailable AS numbikesavailable, numbikesavailable AS numdocksavailable FROM readings", ""),
    ("SELECT stationcode AS x, 1 AS one, NULL AS absent, 'text' AS t FROM readings", ""),
    ("SELECT 1 AS a, COUNT(*) AS n FROM readings", ""),
    (
        "SELECT commune AS c, stationcode AS s, AVG(numdocksavailable) AS d FROM readings WHERE numbikesavailable > 0 GROUP BY commune, stationcode HAVING COUNT(*) > 1 ORDER BY c NULLS FIRST, s LIMIT 3",
        "",
    ),
    ("SELECT COALESCE(commune, 'none') AS c, COUNT(*) AS n FROM readings GROUP BY COALESCE(commune, 'none')", ""),
    ("SELECT readings.numdocksavailable, \"commune\" FROM readings LIMIT 0", ""),
    (
        "SELECT (numdocksavailable - 3) % 2 AS a, -numdocksavailable % 3 AS b, numdocksavailable % -2 AS c FROM readings",
        "",
    ),
    (
        "SELECT numdocksavailable % 2 AS odd, stationcode, COUNT(*) AS n FROM readings GROUP BY 1, stationcode ORDER BY n, stationcode, odd NULLS FIRST",
        "",
    ),
    ("SELECT COUNT(*) - 100 AS a, COUNT(numdocksavailable) - 1000 AS b FROM readings", ""),
    (
        "SELECT CASE WHEN numdocksavailable > 1 THEN numdocksavailable ELSE 2000000000 END * 2 AS n, 2000000000 * 3 AS m FROM readings",
        "",
    ),
    ("SELECT SUM(x) AS n FROM (SELECT 2000000000 AS x, numdocksavailable FROM readings) AS t", ""),
    (
        "SELECT x FROM (SELECT MIN(duedate) AS x FROM readings GROUP BY stationcode) AS t WHERE x > '2022-04-15 05:30:00'",
        "",
    ),
    ("SELECT stationcode FROM readings WHERE 1 = 1 AND numdocksavailable > 2", ""),
    (
        "SELECT SUM(numdocksavailable) OVER (PARTITION BY stationcode ORDER BY duedate ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) / NULLIF(COUNT(numdocksavailable) OVER (PARTITION BY stationcode ORDER BY duedate ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW), 0) AS m FROM readings",
        "SELECT AVG(numdocksavailable) OVER (PARTITION BY stationcode ORDER BY duedate ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM readings",
    ),
    (
        "SELECT COUNT(*) AS n FROM readings WHERE stationcode IN (SELECT stationcode FROM stations WHERE capacity IN (1, 2, 3))",
        "",
    ),
];
