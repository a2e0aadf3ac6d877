//! The end of a listener: whoever has a connection is answered.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use cluster::listen::Listener;
use cluster::serve::serve;
use tokio::sync::oneshot;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn asked(mut stream: &TcpStream) -> std::io::Result<()> {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

fn answered(mut stream: TcpStream) -> std::io::Result<String> {
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

#[tokio::test]
async fn connections_made_before_the_end_are_answered() -> Outcome {
    let last_requests = Duration::from_millis(200);
    let listener = Listener::bind("127.0.0.1:0", None).await?;
    let address = listener.address()?;
    let router = axum::Router::new().route("/", axum::routing::get(async || "hello"));
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async {
        let _ = stopped.await;
    };
    let serving = tokio::spawn(serve(listener, router, stopped, last_requests));
    tokio::time::sleep(Duration::from_millis(20)).await;
    // Nothing of this process runs between these connections and the stop: only the system knows of them.
    let waiting = (0..20)
        .map(|_| TcpStream::connect(address))
        .collect::<Result<Vec<_>, _>>()?;
    let _ = stop.send(());
    tokio::time::sleep(last_requests / 4).await;
    assert!(TcpStream::connect(address).is_err(), "the port is free");
    for stream in &waiting {
        asked(stream)?;
    }
    tokio::time::timeout(Duration::from_secs(10), serving).await???;
    for stream in waiting {
        let text = answered(stream)?;
        assert!(text.ends_with("hello"), "{text:?}");
        // A client does not keep it for its next request.
        assert!(text.contains("connection: close\r\n"), "{text:?}");
    }
    Ok(())
}
