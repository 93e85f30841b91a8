//! Where Spark writes the windows.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Where the windows go, as it is written in options: `DIR` or `topic:NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SparkOutput {
    /// Parquet files in a folder, each window exactly once, whatever crashes: a file counts only if the folder's own log, its
    /// `_spark_metadata`, names it. Spark reads it so; another reader of the folder has to look there too. The path is the server's.
    Folder(String),
    /// A topic: each window as JSON by the key `CODE START`, as our engine's topic of results has it. At least once: after
    /// a hard end a window may come twice, the same under the same key.
    Topic(String),
}

impl fmt::Display for SparkOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => f.write_str(folder),
            Self::Topic(topic) => write!(f, "topic:{topic}"),
        }
    }
}

impl FromStr for SparkOutput {
    type Err = Error;

    fn from_str(out: &str) -> Result<Self> {
        match out.strip_prefix("topic:") {
            None if !out.is_empty() => Ok(Self::Folder(out.to_owned())),
            Some(topic) if !topic.is_empty() => Ok(Self::Topic(topic.to_owned())),
            _ => Err(Error::usage("--out", format!("`{out}` is neither a folder nor a topic"))
                .way_out("write DIR or topic:NAME")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_a_folder_or_a_topic() {
        for out in ["windows", "/var/a:b", "hdfs://host/windows", "topic:windows"] {
            assert_eq!(out.parse::<SparkOutput>().unwrap().to_string(), out);
        }
        for out in ["", "topic:"] {
            let said = format!("--out: `{out}` is neither a folder nor a topic; write DIR or topic:NAME");
            assert_eq!(out.parse::<SparkOutput>().unwrap_err().to_string(), said);
        }
    }
}
