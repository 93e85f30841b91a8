//! Part 1 to Part 2: a topic read to its end, by our consumer and by a bare one that reads each message and forgets it, which
//! is as fast as the client library can be. On the Kafka whose address is in `VELIB_KAFKA`; without one it says so.
//!
//! With a command it serves `benches/streaming.py` instead: `fill` makes the topic, `bare` reads one as a program of its own.

#![allow(clippy::expect_used, reason = "a bench that does not do its work must stop")]
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a program that is run by hand")]

mod common;

use std::error::Error;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use chrono::TimeDelta;
use clap::{Args, Parser};
use criterion::{Criterion, Throughput};
use futures_executor::block_on;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use velib::ingest::{Dedupe, SimulatedNetwork, SimulationConfig, Source as _};
use velib::kafka::{Broker, Consumer, Publisher, Sink as _, TopicSettings, ensure_topic};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Readings of the topic that criterion reads: about 200 polls. To join the group takes a fifth of a second besides.
const FEW: u64 = 280_000;

/// Readings handed to the publisher at once.
const BATCH: usize = 50_000;

/// How long a broker may take to answer.
const ANSWER: Duration = Duration::from_secs(30);

/// A topic of readings for benchmarks, made, or read to its end
#[derive(Parser)]
enum Command {
    /// Make a topic that keeps its readings for ever, unless it is there with as many: one poll a minute of a simulated
    /// network as large as Vélib', each reading once
    Fill(Fill),
    /// Read all of a topic and forget it: {"messages": N, "bytes": N, "seconds": S} of the values, from subscribing to the last message
    Bare(Topic),
}

#[derive(Args)]
struct Topic {
    /// The Kafka, HOST:PORT
    #[arg(long)]
    brokers: String,
    /// The topic
    #[arg(long)]
    topic: String,
}

#[derive(Args)]
struct Fill {
    #[command(flatten)]
    topic: Topic,
    /// How many readings
    #[arg(long, default_value_t = 2_622_304)]
    readings: u64,
    /// Delete what the topic holds if it holds something else
    #[arg(long)]
    replace: bool,
}

fn main() -> ExitCode {
    // Cargo and criterion have arguments of their own.
    let done = match std::env::args().nth(1).as_deref() {
        Some("fill" | "bare" | "help" | "--help") => match Command::parse() {
            Command::Fill(fill) => fill.run(),
            Command::Bare(topic) => topic.read().map(|read| {
                println!(
                    r#"{{"messages": {}, "bytes": {}, "seconds": {:.3}}}"#,
                    read.messages, read.bytes, read.seconds
                );
            }),
        },
        _ => measure(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Both consumers on a small topic, each time in a new group.
fn measure() -> Result<()> {
    let Ok(brokers) = std::env::var("VELIB_KAFKA") else {
        println!("kafka: skipped, VELIB_KAFKA is not set");
        return Ok(());
    };
    let fill = Fill { topic: Topic { brokers, topic: "velib-bench".into() }, readings: FEW, replace: true };
    fill.run()?;
    let topic = fill.topic;
    let broker = Broker::connect(&topic.brokers)?;
    let mut criterion: Criterion = common::long().configure_from_args();
    let mut group = criterion.benchmark_group("kafka");
    group.throughput(Throughput::Elements(FEW));
    group.bench_function("bare consumer", |b| {
        b.iter(|| assert_eq!(topic.read().expect("all of a topic").messages, FEW));
    });
    group.bench_function("consumer", |b| {
        b.iter(|| {
            let mut consumer = Consumer::new(broker.handle(), &topic.topic, &new_group()).expect("a consumer");
            let mut read = 0;
            while read < FEW {
                let batch = consumer.next_batch(5_000, ANSWER).expect("a batch");
                read += black_box(&batch.readings).len() as u64;
                consumer.acknowledge(batch).expect("a commit");
            }
        });
    });
    group.finish();
    criterion.final_summary();
    Ok(())
}

/// What was read, and how long it took.
struct Read {
    messages: u64,
    bytes: usize,
    seconds: f64,
}

impl Topic {
    fn client(&self, settings: &[(&str, &str)]) -> Result<BaseConsumer> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers).set("client.id", "velib-bench");
        for (name, value) in settings {
            config.set(*name, *value);
        }
        Ok(config.create()?)
    }

    /// How many partitions the topic has; 0 if there is none.
    fn partitions(&self, client: &BaseConsumer) -> Result<usize> {
        let metadata = client.fetch_metadata(Some(&self.topic), ANSWER)?;
        Ok(metadata.topics().iter().map(|topic| topic.partitions().len()).sum())
    }

    /// How many messages it holds.
    fn messages(&self) -> Result<u64> {
        let client = self.client(&[("allow.auto.create.topics", "false")])?;
        let mut messages = 0;
        for partition in 0..self.partitions(&client)? {
            let (low, high) = client.fetch_watermarks(&self.topic, i32::try_from(partition)?, ANSWER)?;
            messages += u64::try_from(high - low)?;
        }
        Ok(messages)
    }

    /// Reads everything in a group of its own, with the settings of the library's consumer (`src/kafka/consumer.rs`). Over with
    /// the last message: the broker takes half a second to say that no more comes, which is not reading.
    fn read(&self) -> Result<Read> {
        let client = self.client(&[
            ("group.id", &new_group()),
            ("allow.auto.create.topics", "false"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "earliest"),
            ("enable.partition.eof", "true"),
            ("fetch.queue.backoff.ms", "50"),
        ])?;
        let held = self.messages()?;
        if held == 0 {
            return Err(format!("there is no topic {}, or nothing in it", self.topic).into());
        }
        let (mut messages, mut bytes) = (0, 0);
        let started = Instant::now();
        client.subscribe(&[&self.topic])?;
        let mut heard = started;
        while messages < held {
            match client.poll(ANSWER) {
                Some(Ok(message)) => {
                    messages += 1;
                    bytes += black_box(message.payload_len());
                    continue;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) => return Err(error.into()),
                // Also when the group has done something.
                None if heard.elapsed() < ANSWER => continue,
                None => return Err("the broker sends nothing any more".into()),
            }
            heard = Instant::now();
        }
        Ok(Read { messages, bytes, seconds: started.elapsed().as_secs_f64() })
    }

    fn delete(&self) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &self.brokers).create()?;
        let deleted =
            block_on(admin.delete_topics(&[&self.topic], &AdminOptions::new().operation_timeout(Some(ANSWER))))?;
        for one in deleted {
            one.map_err(|(topic, code)| format!("topic {topic} could not be deleted: {code}"))?;
        }
        let client = self.client(&[("allow.auto.create.topics", "false")])?;
        while self.partitions(&client)? > 0 {
            sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

impl Fill {
    fn run(&self) -> Result<()> {
        let Topic { brokers, topic } = &self.topic;
        let broker = Broker::connect(brokers)?;
        match self.topic.messages()? {
            0 => {}
            held if held == self.readings => {
                eprintln!("topic {topic} is there, with {held} readings");
                return Ok(());
            }
            _ if self.replace => self.topic.delete()?,
            held => {
                let wanted = self.readings;
                let way_out = "delete it by --replace, or give another --topic";
                return Err(format!("topic {topic} holds {held} messages, not {wanted}; {way_out}").into());
            }
        }
        let report = ensure_topic(&broker, &TopicSettings::named(topic))?;
        let (polls, step) = (2 * self.readings / common::VELIB as u64 + 60, TimeDelta::minutes(1));
        let duration = step * i32::try_from(polls)?;
        let config = SimulationConfig { stations: common::VELIB, duration, step, ..SimulationConfig::default() };
        let (mut network, mut seen) = (SimulatedNetwork::new(config)?, Dedupe::new());
        let mut publisher = Publisher::new(broker.handle(), topic)?;
        let (mut batch, mut left, started) = (Vec::new(), self.readings, Instant::now());
        while left > 0 {
            let snapshot = network.poll()?.ok_or("the simulation ended too early")?;
            if let Some(warning) = report.warning(snapshot.fetched_at - TimeDelta::hours(1), SystemTime::now().into()) {
                return Err(warning.into());
            }
            let new = snapshot.readings.into_iter().filter(|one| seen.insert(&one.station_code, one.last_reported));
            let before = batch.len();
            batch.extend(new.take(usize::try_from(left)?));
            left -= (batch.len() - before) as u64;
            if left == 0 || batch.len() >= BATCH {
                publisher.publish(&batch)?;
                batch.clear();
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        eprintln!("topic {topic} is filled, with {} readings in {seconds:.1} s", self.readings);
        Ok(())
    }
}

/// A group that nobody was in.
fn new_group() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_millis());
    format!("velib-bench-{}-{time}-{number}", std::process::id())
}
