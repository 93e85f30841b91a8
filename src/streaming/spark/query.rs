//! The query: from a topic to windows, by Spark's Structured Streaming, watched while it runs.
//!
//! Spark keeps how far the topic was read, the open windows and the watermark in its checkpoint, and goes on from there however
//! it ended. The query lives in the server: if this process is killed it goes on until its session ends there, an hour later, or
//! until it is started again, which takes its place.

use std::collections::BTreeMap;
use std::time::Duration;

use spark_connect::DataFrame;
use spark_connect::functions::expr;
use spark_connect::streaming::{StreamingQuery, Trigger};

use super::checkpoint;
use super::output::SparkOutput;
use super::progress::{SET_ASIDE, SparkTotals};
use super::session::{Spark, of_spark};
use super::wait::unique;
use super::{messages, windows};
use crate::error::{Error, Place, Result};
use crate::ingest::Stop;
use crate::kafka::{BrokerHandle, ends_of_topic, existing_topic};
use crate::streaming::window::Windowing;

/// The most messages in a batch, unless told otherwise: 500,000. It bounds what Spark holds in memory at a time.
pub const SPARK_BATCH: u64 = 500_000;

/// How often the query is asked how far it is.
const WATCH: Duration = Duration::from_millis(500);

/// What the query reads, how, and where it writes.
#[derive(Clone, Debug)]
pub struct SparkStreamSettings {
    /// The topic of the readings.
    pub topic: String,
    /// The windows.
    pub windowing: Windowing,
    /// How far behind the newest event time of all stations the watermark stays, in whole milliseconds.
    pub lateness: Duration,
    /// The folder, as the server sees it, where Spark keeps how far it is. It belongs to one query alone.
    pub checkpoint: String,
    /// Where the windows go. A topic must exist.
    pub output: SparkOutput,
    /// The most messages in one batch: [`SPARK_BATCH`].
    pub batch: u64,
    /// Stop when what is in the topic now was read; else never.
    pub until_end: bool,
    /// Ends the query. A batch that is under way is given up, and done again by whoever goes on.
    pub stop: Stop,
}

impl SparkStreamSettings {
    /// A usage error for what cannot be meant, found without asking anybody.
    pub fn check(&self) -> Result<()> {
        if matches!(&self.output, SparkOutput::Topic(topic) if *topic == self.topic) {
            let what = "the windows would go to the topic of the readings";
            return Err(Error::usage("--out", what).way_out("name another"));
        }
        Ok(())
    }
}

/// Runs the query until its end; `watch` is shown how far it is after each batch.
///
/// An error for a topic that is not there, and for a checkpoint of another query, before anything is read; one that names the
/// server where it goes away, or where somebody else ended the query; and with Spark's own words where the query fails.
///
/// Over the same readings, with every window closed, both engines answer alike. They differ in what is late, and in when a window
/// is to be seen:
///
/// | | our engine | Spark |
/// |---|---|---|
/// | the clock | each station's own: the newest event time heard of it, which no reading moves ahead of its arrival | one of the whole network: the newest event time of all. A station whose clock runs ahead makes the others late |
/// | when it moves | with every reading | between two batches. In the first nothing is late. So what is late depends on how the topic is cut into batches, as [`SparkStreamSettings::batch`] and the speed of the feed have it; a checkpoint remembers how it was cut |
/// | too late | what is further behind the clock than the allowed lateness; kept aside in the store, whole | what falls into windows that all ended at the watermark (the clock less the lateness) of the batch before, or earlier. It is dropped, and stays in the topic. Spark counts, for each batch, the windows of stations that it came for ([`SparkBatch::dropped`](super::SparkBatch::dropped)), not the readings |
/// | late | taken in, and the window gets a revision | taken in while the window is open; a window is written once: its revision is always 0 |
/// | a window is seen | as soon as something is in it | when the watermark has passed its end: the last windows of a topic stay open in the checkpoint, also at its end |
/// | a repeated reading | is known for as long as the store | is known while its window is open; later it is dropped as too late |
/// | a message that is no reading | kept in a file, with the reason and its place | counted ([`SparkTotals::set_aside`]), and stays in the topic |
/// | a number or flag of the wrong type | makes the message no reading | is unknown; the rest of the reading counts. A code that is a number is read as its text |
/// | a station is described | by all its readings, the newest first | the same by those in windows that were written |
/// | the zones | part of the question | the same: Spark is told which station is in which zone |
///
/// What a window holds while it is open, Spark keeps in its checkpoint: all readings of it, as our store does.
pub fn consume_with_spark(
    spark: &Spark,
    broker: &BrokerHandle,
    settings: &SparkStreamSettings,
    watch: &mut dyn FnMut(&SparkTotals),
) -> Result<SparkTotals> {
    if broker.is_embedded() {
        return Err(Error::usage("--brokers", "Spark cannot read the broker inside this process")
            .way_out("give a real Kafka by --brokers HOST:PORT"));
    }
    settings.check()?;
    let topic = existing_topic(broker, &settings.topic)?;
    if let SparkOutput::Topic(out) = &settings.output {
        existing_topic(broker, out)?;
    }
    let is_new = checkpoint::claim(spark, broker.address(), settings, &topic)?;
    let ends = if settings.until_end { ends_of_topic(broker, &settings.topic)? } else { BTreeMap::new() };
    let query = start(spark, broker, settings)?;
    let mut totals = SparkTotals::default();
    loop {
        let is_stopped = settings.stop.wait(WATCH);
        let asked = query.clone();
        let (is_active, reports) = spark.wait_for(move || {
            if is_stopped {
                asked.stop()?;
            }
            // In this order: of a query that has ended all reports are there.
            Ok((asked.is_active()?, asked.recent_progress()?))
        })?;
        if totals.update(&reports) {
            watch(&totals);
        }
        if is_stopped {
            return Ok(totals);
        }
        if !is_active {
            return match spark.wait_for(move || query.exception())? {
                Some(failure) => Err(failed(spark, settings, &failure.message)),
                None if settings.until_end && totals.are_read(&ends, is_new) => Ok(totals),
                None => {
                    let what = "the query was ended from outside, before it had read all: its checkpoint was taken over by another \
                                process, or it was stopped in the server";
                    Err(of_spark(spark.url(), what).way_out("start it again once the other has ended"))
                }
            };
        }
    }
}

fn start(spark: &Spark, broker: &BrokerHandle, settings: &SparkStreamSettings) -> Result<StreamingQuery> {
    let session = spark.session();
    let messages = session
        .read_stream()
        .format("kafka")
        .option("kafka.bootstrap.servers", broker.address())
        .option("subscribe", &settings.topic)
        .option("startingOffsets", "earliest")
        // Readings that were deleted before they were read are missing in the windows: not in silence.
        .option("failOnDataLoss", "true")
        .option("maxOffsetsPerTrigger", &settings.batch.max(1).to_string())
        .load(None);
    let name = unique("messages");
    spark.name(&messages, &name)?;
    let parsed = spark.sql(&messages::parsed(&name))?;
    let set_aside = expr(&format!("count_if(NOT ({}))", messages::READABLE)).alias("set_aside");
    let readings = parsed
        .observe(SET_ASIDE, vec![set_aside.expression().clone()])
        .filter(expr(messages::READABLE))
        .with_watermark("duedate", &format!("{} milliseconds", settings.lateness.as_millis()));
    let name = unique("readings");
    spark.name(&readings, &name)?;
    let windows = spark.sql(&windows::statistics(settings.windowing, &name))?;
    let checkpoint = settings.checkpoint.clone();
    let trigger =
        if settings.until_end { Trigger::AvailableNow } else { Trigger::ProcessingTime("1 second".to_owned()) };
    let write = move |table: DataFrame| {
        table.write_stream().option("checkpointLocation", &checkpoint).output_mode("append").trigger(trigger)
    };
    match settings.output.clone() {
        SparkOutput::Folder(folder) => {
            let started = spark.wait_for(move || write(windows).format("parquet").start(&folder));
            started.map_err(|error| of_output(spark, settings, error))
        }
        SparkOutput::Topic(topic) => {
            let name = unique("windows");
            spark.name(&windows, &name)?;
            let (messages, brokers) = (spark.sql(&as_messages(&name))?, broker.address().to_owned());
            spark.wait_for(move || {
                let writer = write(messages).format("kafka").option("kafka.bootstrap.servers", &brokers);
                writer.option("topic", &topic).start("")
            })
        }
    }
}

/// The windows as messages: JSON with every field, the unknown ones `null`, and the key of our engine's topic of results.
fn as_messages(windows: &str) -> String {
    let instant = |column: &str| format!("date_format({column}, \"yyyy-MM-dd'T'HH:mm:ssX\")");
    let columns = windows::columns().map(|column| match column {
        "start" | "end" => format!("{} AS {column}", instant(column)),
        column => column.to_owned(),
    });
    format!(
        "SELECT concat(station_code, ' ', {start}) AS key, \
             to_json(struct({columns}), map('ignoreNullFields', 'false')) AS value FROM {windows}",
        start = instant("start"),
        columns = columns.collect::<Vec<_>>().join(", "),
    )
}

/// What a query failed of, on one line.
fn failed(spark: &Spark, settings: &SparkStreamSettings, message: &str) -> Error {
    // `Query [id = …, runId = …] terminated with exception: ` goes before it.
    let cause = message.split_once("terminated with exception: ").map_or(message, |(_, cause)| cause);
    let error = of_spark(spark.url(), cause);
    let lost = ["UnknownTopicOrPartition", "data may have been lost", "KAFKA_DATA_LOSS"];
    if lost.iter().any(|sign| message.contains(sign)) {
        return error
            .at(Place::Topic(settings.topic.clone()))
            .way_out("what was deleted before it was read is lost; give another --checkpoint and --out to begin anew");
    }
    of_output(spark, settings, error)
}

/// The error at the folder that is written to, if it is that it cannot be.
fn of_output(spark: &Spark, settings: &SparkStreamSettings, error: Error) -> Error {
    let signs = [
        "Permission denied",
        "AccessControlException",
        "Read-only file system",
        "Mkdirs failed",
        "mkdir of ",
        "Parent path is not a directory",
    ];
    match &settings.output {
        SparkOutput::Folder(folder) if signs.iter().any(|sign| error.message().contains(sign)) => {
            spark.about(error, folder, "give an --out and a --checkpoint that it can write, on its own disk")
        }
        _ => error,
    }
}
