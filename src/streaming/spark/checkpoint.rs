//! Whose a checkpoint is. Spark goes on from a checkpoint whatever the query is now, with offsets of another topic or windows
//! of another length in its state; so the settings stand in a file beside it, `CHECKPOINT/velib`, written by Spark itself, which
//! may see another disk than this process.

use serde::{Deserialize, Serialize};
use spark_connect::DataType;
use spark_connect::row::{Row, Value};

use super::output::SparkOutput;
use super::query::SparkStreamSettings;
use super::session::Spark;
use crate::error::{Error, ErrorKind, Place, Result};

/// What a checkpoint belongs to, each as it is said to the user.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// With the cluster that it is of: offsets of another would mean other messages.
    topic: String,
    window: String,
    lateness: String,
    out: String,
}

/// Takes the checkpoint for this query, or says what else it belongs to; whether it is new. `topic` is named with its cluster.
pub(super) fn claim(spark: &Spark, brokers: &str, settings: &SparkStreamSettings, topic: &str) -> Result<bool> {
    let (checkpoint, out) = (&settings.checkpoint, &settings.output);
    let wanted = Note {
        topic: topic.to_owned(),
        window: settings.windowing.to_string(),
        lateness: format!("{:?}", settings.lateness),
        out: out.to_string(),
    };
    let refuse = |path: &str, what: String, way_out: &str| {
        Err(Error::new(ErrorKind::Spark, what).at(Place::file(path)).way_out(way_out))
    };
    let file = format!("{checkpoint}/velib");
    let lines = spark.lines(&file)?;
    let kept = lines.iter().flatten().find_map(|line| serde_json::from_str::<Note>(line).ok());
    match kept {
        Some(kept) if kept == wanted => return Ok(false),
        Some(kept) => {
            let what = format!("the checkpoint belongs to another query: {}", kept.differs_from(&wanted));
            return refuse(checkpoint, what, "ask the same, or give another --checkpoint and another --out");
        }
        None if spark.lines(&format!("{checkpoint}/metadata"))?.is_some() => {
            let what = "the checkpoint belongs to another program's query".to_owned();
            return refuse(checkpoint, what, "give another --checkpoint");
        }
        None => {}
    }
    // A folder's log of batches is counted from the checkpoint's first: Spark would pass over all that stand there already.
    if let SparkOutput::Folder(folder) = out
        && spark.lines(&format!("{folder}/_spark_metadata"))?.is_some()
    {
        let what = "holds the windows of another checkpoint, beside which Spark would write none".to_owned();
        return refuse(folder, what, "give another --out, or the --checkpoint that it was written with");
    }
    if let SparkOutput::Topic(name) = out
        && holds_messages(spark, brokers, name)?
    {
        let what = "the topic holds other windows, which could not be told from these";
        return Err(Error::new(ErrorKind::Spark, what)
            .at(Place::Topic(name.clone()))
            .way_out("give another --out, or the --checkpoint that it was written with"));
    }
    wanted.write(spark, &file)?;
    Ok(true)
}

fn holds_messages(spark: &Spark, brokers: &str, topic: &str) -> Result<bool> {
    let messages = spark.session().read().format("kafka").option("kafka.bootstrap.servers", brokers);
    let messages = messages.option("subscribe", topic).option("startingOffsets", "earliest").load(None);
    Ok(!spark.rows(&messages.select(["offset"]).limit(1))?.is_empty())
}

impl Note {
    fn write(&self, spark: &Spark, file: &str) -> Result<()> {
        let text = serde_json::to_string(self)
            .map_err(|error| Error::new(ErrorKind::Spark, format!("no JSON: {error}")).at(Place::file(file)))?;
        let schema = spark.done(DataType::from_ddl("value STRING"))?;
        let row = Row::new(vec!["value".to_owned()], vec![Value::String(text)]);
        let table = spark.done(spark.session().create_dataframe(vec![row], schema))?.coalesce(1);
        let path = file.to_owned();
        let saved = spark.wait_for(move || table.write().format("text").mode("overwrite").save(Some(&path)));
        saved.map_err(|error| {
            spark.about(error, file, "give a --checkpoint that it can write, and see, on its own disk")
        })
    }

    /// The first setting in which they differ.
    fn differs_from(&self, wanted: &Self) -> String {
        let settings = [
            ("topic", &self.topic, &wanted.topic),
            ("windows of", &self.window, &wanted.window),
            ("a lateness of", &self.lateness, &wanted.lateness),
            ("output to", &self.out, &wanted.out),
        ];
        let differs = settings.into_iter().find(|(_, kept, wanted)| kept != wanted);
        differs.map_or_else(String::new, |(what, kept, wanted)| format!("{what} {kept}, not {wanted}"))
    }
}
