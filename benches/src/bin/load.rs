//! Many clients at once: queries a second and how long each took, over HTTP, of anything that speaks Pinot's `POST /query/sql`.
//!
//! `load --broker 127.0.0.1:8099 --queries FILE [--connections 64] [--seconds 10]`. The file has a query a line; `{1..30000}` in it stands
//! for a number drawn anew each time. Must not know: engines. Invariant: a time counts from the first byte sent to the last byte read, and
//! an answer with an exception counts as failed.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use benches::figures::percentile;
use clap::Parser;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Queries a second of many connections.
#[derive(Parser)]
struct Options {
    /// HOST:PORT of a broker.
    #[arg(long, default_value = "127.0.0.1:8099")]
    broker: String,
    /// A query a line.
    #[arg(long)]
    queries: PathBuf,
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// How long, after a second to warm up.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// Text around numbers that are drawn.
type Template = Vec<Piece>;

enum Piece {
    Text(String),
    Number { from: u64, to: u64 },
}

/// What one connection saw.
#[derive(Default)]
struct Seen {
    millis: Vec<f64>,
    failed: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::parse();
    let text = std::fs::read_to_string(&options.queries)
        .with_context(|| format!("read `{}`", options.queries.display()))?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let templates: Vec<Template> = lines.map(template).collect::<Result<_>>()?;
    ensure!(
        !templates.is_empty(),
        "`{}` has no query",
        options.queries.display()
    );
    let templates: &'static [Template] = Vec::leak(templates);
    let count_from = Instant::now() + Duration::from_secs(1);
    let end = count_from + Duration::from_secs(options.seconds);
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..options.connections {
        let broker = options.broker.clone();
        clients.spawn(async move {
            let mut draw = Draw(number as u64 * 7919 + 1);
            client(&broker, templates, &mut draw, count_from, end).await
        });
    }
    let (mut millis, mut failed) = (Vec::new(), 0);
    while let Some(done) = clients.join_next().await {
        let seen = done??;
        millis.extend(seen.millis);
        failed += seen.failed;
    }
    let rate = millis.len() as f64 / options.seconds as f64;
    let [p50, p99, most] = [0.5, 0.99, 1.0].map(|share| percentile(&mut millis, share));
    writeln!(
        std::io::stdout(),
        "{} connections, {} s: {rate:.0} queries/s, ms p50 {p50:.2} p99 {p99:.2} max {most:.2}, {failed} failed",
        options.connections,
        options.seconds
    )?;
    Ok(())
}

async fn client(
    broker: &str,
    templates: &[Template],
    draw: &mut Draw,
    count_from: Instant,
    end: Instant,
) -> Result<Seen> {
    let mut stream = TcpStream::connect(broker)
        .await
        .with_context(|| format!("connect to `{broker}`"))?;
    stream.set_nodelay(true)?;
    let mut seen = Seen::default();
    let mut answer = Vec::new();
    let mut next = draw.below(templates.len() as u64) as usize;
    while Instant::now() < end {
        let request = request(broker, &templates[next], draw)?;
        next = (next + 1) % templates.len();
        let start = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        let good = read_answer(&mut stream, &mut answer).await?;
        if start >= count_from {
            seen.millis.push(start.elapsed().as_secs_f64() * 1000.0);
            seen.failed += usize::from(!good);
        }
    }
    Ok(seen)
}

fn request(broker: &str, template: &Template, draw: &mut Draw) -> Result<String> {
    let mut sql = String::new();
    for piece in template {
        match piece {
            Piece::Text(text) => sql.push_str(text),
            Piece::Number { from, to } => {
                let number = from + draw.below(to - from + 1);
                sql.push_str(&number.to_string());
            }
        }
    }
    let body = serde_json::to_string(&serde_json::json!({ "sql": sql }))?;
    Ok(format!(
        "POST /query/sql HTTP/1.1\r\nHost: {broker}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// Reads one answer; whether it is one without exceptions.
async fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> Result<bool> {
    answer.clear();
    let mut whole = None;
    loop {
        if stream.read_buf(answer).await? == 0 {
            bail!("the broker closed the connection");
        }
        if whole.is_none()
            && let Some(at) = find(answer, b"\r\n\r\n")
        {
            let head = String::from_utf8_lossy(&answer[..at]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .context("the answer has no Content-Length")?;
            whole = Some(at + 4 + length.trim().parse::<usize>()?);
        }
        if whole.is_some_and(|whole| answer.len() >= whole) {
            let good = answer.starts_with(b"HTTP/1.1 200");
            return Ok(good && find(answer, b"\"exceptions\":[]").is_some());
        }
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn template(line: &str) -> Result<Template> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('{') {
        let (range, after) = after
            .split_once('}')
            .with_context(|| format!("no `}}` behind `{{` in `{line}`"))?;
        let (from, to) = range
            .split_once("..")
            .with_context(|| format!("`{{{range}}}` is no `{{FROM..TO}}`"))?;
        let (from, to) = (from.parse()?, to.parse()?);
        ensure!(from <= to, "`{{{range}}}` is empty");
        pieces.push(Piece::Text(before.to_owned()));
        pieces.push(Piece::Number { from, to });
        rest = after;
    }
    pieces.push(Piece::Text(rest.to_owned()));
    Ok(pieces)
}

/// Numbers that repeat from run to run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed ^ (mixed >> 27)) % limit.max(1)
    }
}
