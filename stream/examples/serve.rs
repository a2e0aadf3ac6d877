//! Runs the broker by itself, to be tried with any Kafka client:
//! `cargo run -p stream --example serve -- 127.0.0.1:9092 [DIRECTORY]`.

use std::path::PathBuf;

use stream::Stream;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let listen = arguments
        .next()
        .unwrap_or_else(|| "127.0.0.1:9092".to_owned())
        .parse()?;
    let directory = arguments.next().map(PathBuf::from);
    let stream = Stream::builder()
        .listen(listen)
        .data_dir(directory)
        .start()
        .await?;
    eprintln!("bootstrap.servers={}", stream.addr());
    tokio::signal::ctrl_c().await?;
    stream.shutdown().await;
    Ok(())
}
